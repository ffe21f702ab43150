//! The terminal while weir uses it. Invariant: however the command ends (a key, a signal, an error, a
//! panic in any thread), the cursor, the lines and the earlier content are restored.

use std::io::{self, stdout};
use std::time::Duration;
use std::{panic, thread};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{DefaultTerminal, Frame, Terminal};
use tokio::sync::mpsc;

use crate::cli::CliError;

#[derive(Debug)]
pub(super) struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    pub(super) fn open() -> Result<Self, CliError> {
        let say = panic::take_hook();
        // Restored before the panic message, which would otherwise vanish with this screen.
        panic::set_hook(Box::new(move |panicked| {
            give_back();
            say(panicked);
        }));
        enable_raw_mode()?;
        let opened = execute!(stdout(), EnterAlternateScreen)
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        match opened {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(error.into())
            }
        }
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(drop)
    }

    /// The next picture is drawn whole, whatever is on the screen.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Each step is tried, whatever the result of the others.
fn give_back() {
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// How soon the reader notices that its receiver is gone.
const LOOK: Duration = Duration::from_millis(100);
/// The most keys that are typed ahead of the picture.
const AHEAD: usize = 64;

/// Events of the terminal, read by a thread of its own since reading blocks. The thread ends when the
/// receiver is dropped.
pub(super) fn events() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    thread::spawn(move || {
        while !sender.is_closed() {
            match event::poll(LOOK) {
                Ok(false) => {}
                Ok(true) => {
                    let Ok(event) = event::read() else { break };
                    if sender.blocking_send(event).is_err() {
                        break;
                    }
                }
                Err(_) => break,
            }
        }
    });
    receiver
}
