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
    fn ended(self) -> String {
        self.ended_with(0)
    }

    fn ended_with(mut self, code: i32) -> String {
        let said = std::io::read_to_string(self.0.stdout.take().unwrap()).unwrap();
        assert_eq!(self.0.wait().unwrap().code(), Some(code), "{said}");
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
    let said = import.ended_with(130);
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

#[test]
fn an_import_with_a_server_of_its_own_is_gone_on_with_from_another_folder() {
    let (folder, _, _) = given(&[BEAN, LEEK]);
    for (started_in, file) in [(folder.path(), "seeds.jsonl"), (folder.path(), "./seeds.jsonl")] {
        let mut command = Command::new(example("import"));
        let output = command.arg(file).current_dir(started_in).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("All 2 rows are on"), "{said}");
    }
    let elsewhere = TempDir::new().unwrap();
    let file = folder.path().join("seeds.jsonl");
    let mut command = Command::new(example("import"));
    let output = command.arg(file).current_dir(elsewhere.path()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("All 2 rows are on") && said.contains("The server had 2 of them"), "{said}");
}

/// A link to the storage has a folder, and a name, of its own.
#[test]
fn an_import_through_a_link_to_its_storage_goes_on_with_the_same_server() {
    let (folder, file, _) = given(&[BEAN, LEEK]);
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(folder.path().join("real.db"), &link).unwrap();
    for storage in [folder.path().join("real.db"), link] {
        let mut command = Command::new(example("import"));
        let output = command.arg(&file).arg("--storage").arg(&storage).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("All 2 rows are on") && said.contains("The server had 2 of them"), "{said}");
    }
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

/// What it says of an import that fails, in a file with these lines.
fn failed(command: &mut Command) -> String {
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn a_line_that_is_no_text_is_named_before_anything_is_sent() {
    let (_folder, file, server) = given(&[BEAN]);
    fs::write(&file, [BEAN.as_bytes(), b"\n{\"sku\":\"S2\",\"name\":\"\xff\"}"].concat()).unwrap();
    let said = failed(&mut command(&file, &server));
    assert!(said.contains("seeds.jsonl, line 2: stream did not contain valid UTF-8"), "{said}");
    assert!(server.requests().is_empty());
}

const PEA: &str = r#"{"sku":"S3","name":"Pea","sow_in":4,"price_cents":210}"#;

#[test]
fn a_row_without_an_id_is_named_before_anything_is_sent() {
    let (_folder, file, server) = given(&[BEAN, r#"{"sku":"","name":"Leek","sow_in":3,"price_cents":190}"#]);
    let said = failed(&mut command(&file, &server));
    assert!(said.contains("seeds.jsonl, line 2: `sku`: the id is empty"), "{said}");
    let csv = file.with_extension("csv");
    fs::write(&csv, "sku,name,sow_in,price_cents\nS1,Bean,5,250\n,Leek,3,190\n").unwrap();
    let said = failed(&mut command(&csv, &server));
    assert!(said.contains("seeds.csv, line 3: `sku`: the id is empty"), "{said}");
    assert!(server.requests().is_empty());
}

#[test]
fn another_file_under_the_same_name_is_taken_as_well() {
    let (_folder, file, server) = given(&[BEAN, LEEK]);
    Import::start(&file, &server).ended();
    // What was only added to is gone on with.
    fs::write(&file, [BEAN, LEEK, PEA].join("\n")).unwrap();
    let before = server.requests().len();
    let said = Import::start(&file, &server).ended();
    assert!(!said.contains("has changed"), "{said}");
    assert_eq!(server.requests().len() - before, 1);

    let dearer = LEEK.replace("190", "200");
    fs::write(&file, [BEAN, &dearer].join("\n")).unwrap();
    let said = Import::start(&file, &server).ended();
    assert!(said.contains("seeds.jsonl has changed") && said.contains("All 2 rows"), "{said}");
    assert_eq!(server.records("/seeds")["S2"]["price_cents"], 200);
    // Shorter than what was read.
    fs::write(&file, PEA).unwrap();
    assert!(Import::start(&file, &server).ended().contains("has changed"));
}

#[test]
fn another_server_gets_a_storage_of_its_own() {
    let (folder, file, one) = given(&[BEAN, LEEK]);
    Import::start(&file, &one).ended();
    let other = server();
    let said = failed(&mut command(&file, &other));
    assert!(said.contains(&one.base_url()) && said.contains("--storage"), "{said}");
    assert!(other.requests().is_empty());
    let storage = folder.path().join("other.db");
    let import = Import(command(&file, &other).arg("--storage").arg(&storage).spawn().unwrap());
    assert!(import.ended().contains("All 2 rows"));
    assert_eq!(other.records("/seeds").len(), 2);
}

#[test]
fn refused_rows_are_sent_again_once_they_are_corrected() {
    let (_folder, file, server) = given(&[BEAN, LEEK, PEA]);
    let refuse = |sku: &'static str| {
        let mut left = 1;
        server.intercept(move |seen| {
            if seen.method == "GET" || left == 0 {
                return Intercept::Pass;
            }
            left -= 1;
            let body = format!(r#"{{"detail":"{sku} is too cheap"}}"#);
            Intercept::Answer {
                status: 422,
                headers: vec![("content-type", "application/problem+json".into())],
                body,
            }
        });
    };
    refuse("one");
    let said = failed(&mut command(&file, &server));
    assert!(said.contains("one is too cheap") && said.contains("refused 1 rows"), "{said}");
    assert_eq!(server.records("/seeds").len(), 2);
    // Corrected in the file.
    let dearer: Vec<_> = [BEAN, LEEK, PEA].iter().map(|row| row.replace("0}", "5}")).collect();
    fs::write(&file, dearer.join("\n")).unwrap();
    refuse("another");
    failed(&mut command(&file, &server));
    // Mended on the server.
    assert!(Import::start(&file, &server).ended().contains("All 3 rows"));
    let records = server.records("/seeds");
    assert_eq!(records.len(), 3);
    assert!(records.values().all(|seed| seed["price_cents"].as_u64().unwrap() % 10 == 5), "{records:?}");
}

#[test]
fn a_server_that_wants_credentials_is_named_and_not_asked_for_ever() {
    let (_folder, file, _) = given(&[BEAN, LEEK]);
    let server = Server::start(Config::new([]).collection("/seeds", "sku").token("the-token")).unwrap();
    let said = failed(&mut command(&file, &server));
    assert!(said.contains("does not accept the credentials") && said.contains("--token"), "{said}");
    let import = Import(command(&file, &server).args(["--token", "the-token"]).spawn().unwrap());
    assert!(import.ended().contains("All 2 rows"));
}
