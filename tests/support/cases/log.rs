//! Captures what a run writes to `tracing` and what its panics say.

use std::cell::RefCell;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, Once};

use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// What a run left behind.
pub(crate) struct Traces {
    /// Every event and span at every level, of this crate and of all below it.
    pub(crate) log: String,
    /// The message of every panic, as the panic hook saw it.
    pub(crate) panics: Vec<String>,
}

impl Traces {
    /// The secrets that were written down.
    pub(crate) fn leaks(&self, secrets: &[String]) -> Vec<String> {
        let written = [&self.log, &self.panics.join("\n")].map(|text| text.to_ascii_lowercase());
        secrets
            .iter()
            .filter(|secret| written.iter().any(|text| text.contains(*secret)))
            .map(|secret| self.line_of(secret))
            .collect()
    }

    fn line_of(&self, secret: &str) -> String {
        let holds = |line: &&str| line.to_ascii_lowercase().contains(secret);
        let line = self.log.lines().find(holds).unwrap_or("a panic");
        format!("{secret} in {line:?}")
    }
}

/// Runs on this thread with a subscriber of its own at TRACE, and with panics kept off the screen.
///
/// A current-thread runtime within runs its tasks here too, so servers are captured as well.
pub(crate) fn captured<T>(run: impl FnOnce() -> T) -> (T, Traces) {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    PANICS.set(Some(Vec::new()));
    let run = AssertUnwindSafe(|| tracing::subscriber::with_default(subscriber, run));
    let value = panic::catch_unwind(run);
    let panics = PANICS.take().unwrap_or_default();
    let value = value.unwrap_or_else(|payload| {
        // A panic of the test itself, which is to be seen.
        eprintln!("{}", panics.join("\n"));
        panic::resume_unwind(payload)
    });
    let log = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
    (value, Traces { log, panics })
}

/// Lets [`captured`] see panics; call it before any run.
pub(crate) fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(install);
}

fn install() {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let is_captured = PANICS.with_borrow_mut(|panics| {
            panics
                .as_mut()
                .map(|panics| panics.push(info.to_string()))
                .is_some()
        });
        if !is_captured {
            default(info);
        }
    }));
}

thread_local! {
    /// The panics of this thread's run; `None` outside of one.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
