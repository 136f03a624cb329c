//! The import of a file: whole, interrupted, and with a mistake in it.

use std::fs;
use std::path::{Path, PathBuf};
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

fn server() -> Server {
    Server::start(Config::new([]).collection("/seeds", "sku")).unwrap()
}

fn command(file: &Path, server: &Server) -> Command {
    let mut command = Command::new(example("import"));
    command.arg(file).args(["--server", &server.base_url()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// An import under way. It ends with its test, however that does.
struct Import(Child);

impl Import {
    fn start(file: &Path, server: &Server) -> Self {
        Self(command(file, server).spawn().unwrap())
    }

    /// What Ctrl-C in a terminal sends.
    fn interrupt(&self) {
        let kill = Command::new("sh").args(["-c", &format!("kill -INT {}", self.0.id())]).status();
        assert!(kill.unwrap().success());
    }

    /// What it printed, once it has ended well.
    fn ended(mut self) -> String {
        let said = std::io::read_to_string(self.0.stdout.take().unwrap()).unwrap();
        assert!(self.0.wait().unwrap().success(), "{said}");
        said
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        // It has ended by itself when the story went well.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn an_import_that_was_interrupted_goes_on_where_it_was() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("seeds.csv");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/data/seeds.csv"), &file).unwrap();
    let rows = fs::read_to_string(&file).unwrap().lines().count() - 1;
    let server = server();

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
    let import = Import::start(&file, &server);
    under_way.recv_timeout(PATIENCE).unwrap();
    import.interrupt();
    let said = import.ended();
    assert!(said.contains("Interrupted; start it again"), "{said}");
    let sent = server.records("/seeds").len();
    assert!((QUICK..rows).contains(&sent), "{sent} of {rows}");

    server.heal();
    let before = server.requests().len();
    let said = Import::start(&file, &server).ended();
    assert!(said.contains(&format!("All {rows} rows are on")), "{said}");
    assert_eq!(server.records("/seeds").len(), rows);
    assert_eq!(server.requests().len() - before, rows - sent, "each row that was left, once");
}

/// A file with these lines, and a server for them.
fn given(lines: &[&str]) -> (TempDir, PathBuf, Server) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("seeds.jsonl");
    fs::write(&file, lines.join("\n")).unwrap();
    (folder, file, server())
}

const BEAN: &str = r#"{"sku":"S1","name":"Bean","sow_in":5,"price_cents":250}"#;
const LEEK: &str = r#"{"sku":"S2","name":"Leek","sow_in":3,"price_cents":190}"#;

#[test]
fn json_lines_are_rows_as_well() {
    let (_folder, file, server) = given(&[BEAN, LEEK]);
    let said = Import::start(&file, &server).ended();
    assert!(said.contains("All 2 rows are on"), "{said}");
    let records = server.records("/seeds");
    assert_eq!(records["S1"], serde_json::from_str::<serde_json::Value>(BEAN).unwrap());
    assert_eq!(records["S2"]["name"], "Leek");
}

#[test]
fn a_row_that_cannot_be_read_is_named_before_anything_is_sent() {
    let (_folder, file, server) = given(&[BEAN, r#"{"sku":"S2","name":"Leek"}"#]);
    let output = command(&file, &server).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.contains("seeds.jsonl, line 2: missing field `sow_in`"), "{said}");
    assert!(server.requests().is_empty());
    // Mended, it is taken whole.
    fs::write(&file, [BEAN, LEEK].join("\n")).unwrap();
    assert!(Import::start(&file, &server).ended().contains("All 2 rows"));
    assert_eq!(server.records("/seeds").len(), 2);
}
