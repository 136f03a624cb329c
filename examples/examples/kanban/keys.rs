//! What the user asks for.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use uuid::Uuid;

use crate::screen::{Mode, Screen};

/// What a key means where it changes more than the screen.
pub enum Command {
    Add(String),
    Rename {
        card: Uuid,
        title: String,
    },
    /// To the next column: to the right, or to the left.
    Move {
        right: bool,
    },
    Delete,
    ToggleNetwork,
    KeepMine,
    TakeTheirs,
    AskTheNeighbour,
    Quit,
}

/// Takes a key: changes the screen, or says what is to be done.
pub fn press(screen: &mut Screen, key: KeyEvent) -> Option<Command> {
    // What terminals mean by a letter with Ctrl is never the letter. With Alt as well it is one: AltGr, on some keyboards.
    if key.modifiers.contains(KeyModifiers::CONTROL) && !key.modifiers.contains(KeyModifiers::ALT) {
        return matches!(key.code, KeyCode::Char('c' | 'd')).then_some(Command::Quit);
    }
    match &mut screen.mode {
        Mode::Board => on_board(screen, key.code),
        Mode::Typing { title, .. } => match key.code {
            KeyCode::Char(letter) => {
                title.push(letter);
                None
            }
            KeyCode::Backspace => {
                title.pop();
                None
            }
            KeyCode::Enter => typed(screen),
            KeyCode::Esc => {
                screen.mode = Mode::Board;
                None
            }
            _ => None,
        },
    }
}

fn typed(screen: &mut Screen) -> Option<Command> {
    let Mode::Typing { card, title } = std::mem::replace(&mut screen.mode, Mode::Board) else { return None };
    let title = title.trim().to_owned();
    match card {
        _ if title.is_empty() => None,
        Some(card) => Some(Command::Rename { card, title }),
        None => Some(Command::Add(title)),
    }
}

fn on_board(screen: &mut Screen, key: KeyCode) -> Option<Command> {
    match key {
        KeyCode::Up => screen.go_vertically(-1),
        KeyCode::Down => screen.go_vertically(1),
        KeyCode::Left => screen.go_horizontally(false),
        KeyCode::Right => screen.go_horizontally(true),
        KeyCode::Char('n') => screen.mode = Mode::Typing { card: None, title: String::new() },
        KeyCode::Char('e') => {
            if let Some(watched) = screen.selected() {
                screen.mode =
                    Mode::Typing { card: Some(watched.record.id), title: watched.record.title.clone() };
            }
        }
        KeyCode::Char('<') => return Some(Command::Move { right: false }),
        KeyCode::Char('>') => return Some(Command::Move { right: true }),
        KeyCode::Char('d') => return Some(Command::Delete),
        KeyCode::Char('o') => return Some(Command::ToggleNetwork),
        KeyCode::Char('m') => return Some(Command::KeepMine),
        KeyCode::Char('t') => return Some(Command::TakeTheirs),
        KeyCode::Char('r') => return Some(Command::AskTheNeighbour),
        KeyCode::Char('q') | KeyCode::Esc => return Some(Command::Quit),
        _ => {}
    }
    None
}
