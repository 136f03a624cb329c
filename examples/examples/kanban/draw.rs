//! From the screen's state to the terminal.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, List, ListItem, Paragraph};
use sync::{SyncState, Watched};

use crate::card::{Card, Column};
use crate::screen::{Mode, Screen, mark};

const LEGEND: &str = "* waits   ^ on its way   ! refused   ? conflict";
const KEYS: &str = "arrows select   < > move   n new   e edit   d delete   o offline/online   r the neighbour renames it   q quit";

pub fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let [title, board, detail, legend, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(5),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(2),
    ])
    .areas(frame.area());
    frame.render_widget(headline(screen), title);
    let columns: [Rect; 3] = Layout::horizontal([Constraint::Ratio(1, 3); 3]).areas(board);
    for (column, area) in Column::ALL.into_iter().zip(columns) {
        let cards = screen.column(column).into_iter().map(|watched| item(watched, screen.selected));
        frame.render_widget(List::new(cards).block(Block::bordered().title(column.title())), area);
    }
    frame.render_widget(details(screen), detail);
    frame.render_widget(Paragraph::new(LEGEND).style(Style::new().add_modifier(Modifier::DIM)), legend);
    let help = Paragraph::new(KEYS).wrap(ratatui::widgets::Wrap { trim: true });
    frame.render_widget(help.style(Style::new().add_modifier(Modifier::DIM)), keys);
}

fn headline(screen: &Screen) -> Line<'static> {
    let network = if screen.online {
        Span::styled("online", Style::new().fg(Color::Green))
    } else {
        Span::styled("offline", Style::new().fg(Color::Red))
    };
    let waiting = match (screen.status.queue_len, screen.status.parked) {
        (0, 0) => "everything is synced".to_owned(),
        (waiting, 0) => format!("{waiting} to be sent"),
        (waiting, parked) => format!("{waiting} to be sent, {parked} for you to decide"),
    };
    Line::from(vec![Span::raw("Garden board   "), network, Span::raw(format!("   {waiting}"))])
}

fn item(watched: &Watched<Card>, selected: Option<uuid::Uuid>) -> ListItem<'static> {
    let colour = match watched.state {
        SyncState::Synced => Color::Reset,
        SyncState::Parked { .. } | SyncState::InConflict { .. } => Color::Red,
        _ => Color::Yellow,
    };
    let text = format!("{} {}", mark(&watched.state), watched.record.title);
    let style = Style::new().fg(colour);
    let is_selected = selected == Some(watched.record.id);
    ListItem::new(text).style(if is_selected { style.add_modifier(Modifier::REVERSED) } else { style })
}

/// One line about what the user is doing, or what is the matter with the selected card.
fn details(screen: &Screen) -> Line<'static> {
    if let Mode::Typing { card, title } = &screen.mode {
        let what = if card.is_some() { "title" } else { "new card" };
        return Line::from(format!("{what}: {title}_   (Enter keeps it, Esc does not)"));
    }
    if let Some(trouble) = &screen.trouble {
        return Line::styled(trouble.clone(), Style::new().fg(Color::Red));
    }
    if let Some(deferred) = &screen.conflict {
        let title =
            |side: &Option<Card>| side.as_ref().map_or("deleted".to_owned(), |card| card.title.clone());
        let (mine, theirs) = (title(&deferred.conflict.local), title(&deferred.conflict.remote));
        return Line::from(format!("m keeps mine: \"{mine}\"   t takes theirs: \"{theirs}\""));
    }
    match screen.selected().map(|watched| &watched.state) {
        Some(SyncState::Parked { reason: sync::record::ParkReason::Refused { refusal, .. }, .. }) => {
            Line::from(format!("the server refused it: {refusal}"))
        }
        Some(SyncState::Pending) if !screen.online => Line::from("it is sent when you are online again"),
        _ => Line::default(),
    }
}
