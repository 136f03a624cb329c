//! The board in a terminal, as a newcomer uses it.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::example;

/// How long anything may take before the test is given up; nothing is ever waited for by the clock.
const PATIENCE: Duration = Duration::from_secs(120);

const ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(120).unwrap();

/// What the terminal shows, and a sign that it has changed.
#[derive(Default)]
struct Shown {
    screen: Mutex<String>,
    changed: Condvar,
}

struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    shown: Arc<Shown>,
    _pty: Box<dyn MasterPty + Send>,
}

impl Terminal {
    fn start() -> Self {
        Self::with(&[])
    }

    fn with(arguments: &[&OsStr]) -> Self {
        let size = PtySize { rows: ROWS.get(), cols: COLUMNS.get(), pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(example("kanban"));
        command.args(["--neighbour", "0"]);
        command.args(arguments);
        command.env("TERM", "xterm-256color");
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let shown = Arc::<Shown>::default();
        let (mut output, sees) = (pty.master.try_clone_reader().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut parser = vt100::Parser::new(ROWS, COLUMNS, 0);
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                parser.process(&bytes[..read]);
                *sees.screen.lock().unwrap() = parser.screen().contents();
                sees.changed.notify_all();
            }
        });
        let keys = pty.master.take_writer().unwrap();
        Self { child, keys, shown, _pty: pty.master }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the screen is as it should be.
    fn sees(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let screen = self.shown.screen.lock().unwrap();
        let (screen, waited) =
            self.shown.changed.wait_timeout_while(screen, PATIENCE, |screen| !is_so(screen)).unwrap();
        assert!(!waited.timed_out(), "{what} was never seen; the screen is\n{}", *screen);
    }

    fn sees_text(&self, text: &str) {
        self.sees(text, |screen| screen.contains(text));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended by itself when the story went well.
        let _ = self.child.kill();
    }
}

/// The text of one of the three columns.
fn column(screen: &str, number: usize) -> String {
    let part = |line: &str| line.chars().skip(number * 40).take(40).collect::<String>();
    screen.lines().map(part).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_newcomer_works_on_the_board_offline_and_settles_a_conflict() {
    let mut terminal = Terminal::start();
    terminal.sees_text("water the tomatoes");
    terminal.sees("the columns", |screen| {
        column(screen, 0).contains("To do")
            && column(screen, 1).contains("prune the apple tree")
            && column(screen, 2).contains("sow the radishes")
    });
    terminal.sees_text("everything is synced");

    // A card of one's own is sent by itself.
    terminal.press("nbuy seeds\r");
    terminal.sees_text("buy seeds");
    terminal
        .sees("no mark", |screen| screen.contains("  buy seeds") && screen.contains("everything is synced"));

    // Somebody else's change comes by itself.
    terminal.press("r");
    terminal.sees_text("buy seeds (at dawn)");

    // Offline, everything works, and says that it waits.
    terminal.press("o");
    terminal.sees_text("offline");
    terminal.press(">");
    terminal
        .sees("the card in the next column", |screen| column(screen, 1).contains("* buy seeds (at dawn)"));
    terminal.sees_text("1 to be sent");
    terminal.press("e, and bulbs\r");
    terminal.sees_text("* buy seeds (at dawn), and bulbs");

    // Meanwhile the neighbour gives it another title: here nobody knows.
    terminal.press("ro");
    terminal.sees_text("? buy seeds (at dawn), and bulbs");
    terminal.sees_text("t takes theirs: \"buy seeds (at dawn) (at dawn)\"");
    terminal.press("m");
    terminal.sees("mine, in the column that I moved it to", |screen| {
        column(screen, 1).contains("  buy seeds (at dawn), and bulbs")
            && screen.contains("everything is synced")
    });

    terminal.press("d");
    terminal
        .sees("the card gone", |screen| !screen.contains("bulbs") && screen.contains("everything is synced"));
    terminal.press("q");
    assert!(terminal.child.wait().unwrap().success());
}

#[test]
fn a_letter_with_ctrl_is_no_letter_and_two_of_them_end_the_program() {
    const CTRL_A: &str = "\u{1}";
    const CTRL_C: &str = "\u{3}";
    const CTRL_D: &str = "\u{4}";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("board.db");
    let start = || Terminal::with(&["--file".as_ref(), file.as_os_str()]);
    let mut terminal = start();
    terminal.sees_text("water the tomatoes");
    terminal.sees_text("everything is synced");
    // With a card selected, which `d` would delete.
    terminal.press(CTRL_D);
    assert!(terminal.child.wait().unwrap().success());

    let mut terminal = start();
    terminal.sees_text("water the tomatoes");
    terminal.press(&format!("nbuy{CTRL_A} seeds\r"));
    terminal.sees_text("buy seeds");
    terminal.press(&format!("nmore{CTRL_C}"));
    assert!(terminal.child.wait().unwrap().success());
}

#[test]
fn a_board_in_a_file_is_found_there_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("board.db");
    let start = || Terminal::with(&["--file".as_ref(), file.as_os_str()]);
    let mut terminal = start();
    terminal.sees_text("water the tomatoes");
    terminal.press("nbuy seeds\r");
    terminal
        .sees("no mark", |screen| screen.contains("  buy seeds") && screen.contains("everything is synced"));
    terminal.press("q");
    assert!(terminal.child.wait().unwrap().success());

    let mut terminal = start();
    terminal.sees_text("buy seeds");
    // The server has it, too: somebody else gives the card another title.
    terminal.press("r");
    terminal.sees_text("(at dawn)");
    terminal.sees("every card once", |screen| {
        screen.matches("water the tomatoes").count() == 1 && screen.contains("everything is synced")
    });
    terminal.sees_text("buy seeds");
    terminal.press("q");
    assert!(terminal.child.wait().unwrap().success());
}
