//! The import of a file, which somebody interrupts.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use sync_examples::server::intercept::Intercept;
use sync_examples::server::{Config, Server};
use tempfile::TempDir;

use super::example;

/// How long anything may take before the test is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many rows are sent without delay. Those behind them take so long that the interruption comes between.
const QUICK: usize = 40;
const SLOW: Duration = Duration::from_secs(1);

fn start(file: &Path, server: &Server) -> Child {
    let mut command = Command::new(example("import"));
    command.arg(file).args(["--server", &server.base_url()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// What it printed, once it has ended well.
fn ended(import: Child) -> String {
    let output = import.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What Ctrl-C in a terminal sends.
fn interrupt(import: &Child) {
    let kill = Command::new("sh").args(["-c", &format!("kill -INT {}", import.id())]).status();
    assert!(kill.unwrap().success());
}

#[test]
fn an_import_that_was_interrupted_goes_on_where_it_was() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("seeds.csv");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/data/seeds.csv"), &file).unwrap();
    let rows = fs::read_to_string(&file).unwrap().lines().count() - 1;
    let server = Server::start(Config::new([]).collection("/seeds", "sku")).unwrap();

    let (tells, under_way) = mpsc::channel();
    let mut seen = 0;
    server.intercept(move |_| {
        seen += 1;
        if seen <= QUICK {
            return Intercept::Pass;
        }
        let _ = tells.send(());
        Intercept::Delay(SLOW)
    });
    let import = start(&file, &server);
    under_way.recv_timeout(PATIENCE).unwrap();
    interrupt(&import);
    let said = ended(import);
    assert!(said.contains("Interrupted; start it again"), "{said}");
    let sent = server.records("/seeds").len();
    assert!((QUICK..rows).contains(&sent), "{sent} of {rows}");

    server.heal();
    let before = server.requests().len();
    let said = ended(start(&file, &server));
    assert!(said.contains(&format!("All {rows} rows are on")), "{said}");
    assert_eq!(server.records("/seeds").len(), rows);
    assert_eq!(server.requests().len() - before, rows - sent, "each row that was left, once");
}
