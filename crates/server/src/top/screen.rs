//! The terminal: drawn to, listened to, and given back as it was.

use std::{io, time::Duration};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
};
use tokio::sync::mpsc;

use super::{History, frame};

/// How often the thread that listens looks whether it is still wanted.
const LISTEN: Duration = Duration::from_millis(100);

/// An open screen; the terminal is as it was once it is dropped.
pub struct Screen {
    terminal: DefaultTerminal,
    events: mpsc::Receiver<Event>,
}

impl Screen {
    pub fn open() -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        let (heard, events) = mpsc::channel(16);
        std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || {
                while !heard.is_closed() {
                    let Ok(something) = event::poll(LISTEN) else {
                        return;
                    };
                    if something
                        && let Ok(event) = event::read()
                        && heard.blocking_send(event).is_err()
                    {
                        return;
                    }
                }
            })?;
        Ok(Self { terminal, events })
    }

    pub fn draw(&mut self, history: &History) -> io::Result<()> {
        if let Some(view) = history.view() {
            self.terminal.draw(|drawn| frame::draw(drawn, &view))?;
        }
        Ok(())
    }

    /// Waits; true as soon as somebody wants to leave. A new size ends the wait.
    pub async fn quits_within(&mut self, pause: Duration) -> bool {
        let until = tokio::time::Instant::now() + pause;
        loop {
            match tokio::time::timeout_at(until, self.events.recv()).await {
                // Nobody listens any more: the terminal is gone.
                Ok(None) => return true,
                Ok(Some(Event::Key(key))) if key.kind == KeyEventKind::Press => {
                    let interrupts = key.code == KeyCode::Char('c')
                        && key.modifiers.contains(KeyModifiers::CONTROL);
                    if interrupts || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                        return true;
                    }
                }
                Ok(Some(Event::Resize(..))) | Err(_) => return false,
                Ok(Some(_)) => {}
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
