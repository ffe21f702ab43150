//! The terminal while weir uses it. Invariant: however the command ends (a key, a signal, an error, a
//! panic in any thread), the cursor, the lines and the earlier content are restored.

use std::io::{self, stdout};
use std::time::Duration;
use std::{panic, thread};

use ratatui::DefaultTerminal;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{LeaveAlternateScreen, disable_raw_mode};
use tokio::sync::mpsc;

#[derive(Debug)]
pub(super) struct Screen(pub(super) DefaultTerminal);

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        let opened = ratatui::try_init().inspect_err(|_| drop(ratatui::try_restore()))?;
        // ratatui restores the rest before the panic message, which would vanish with this screen.
        let restore = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            let _ = execute!(stdout(), Show);
            restore(panicked);
        }));
        Ok(Self(opened))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Each is tried, whatever became of the other. The terminal itself shows the cursor.
        let _ = execute!(stdout(), LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// How soon the reader notices that its receiver is gone.
const LOOK: Duration = Duration::from_millis(100);
/// The most keys that are typed ahead of the picture.
const AHEAD: usize = 64;

/// Events of the terminal, read by a thread of its own, which ends when the receiver is dropped.
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
