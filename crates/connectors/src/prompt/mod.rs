//! The ways to a phone: channels for one-time codes and channels for payment prompts.
//!
//! ```text
//!   code  ──▶ screen (demo only)          prompt ──▶ stream ──▶ every open phone page
//! ```
//! **Invariant:** a channel that shows a code to whoever asks for it can be made only in the demo.
//!
//! **Not here:** which device may enrol, how codes are derived, how often somebody may ask.
//!
//! Adding a channel is one file and one line in `CODE_CHANNELS` or `PROMPT_CHANNELS`.

pub mod screen;
pub mod stream;

use std::fmt;
use std::sync::Arc;

use crate::Promise;
use stream::Stream;

const CODE_CHANNELS: &[CodeChannelEntry] = &[CodeChannelEntry {
    name: screen::NAME,
    demo_only: true,
    open: screen::open,
}];

const PROMPT_CHANNELS: &[PromptChannelEntry] = &[PromptChannelEntry {
    name: stream::NAME,
    open: stream::open,
}];

struct CodeChannelEntry {
    name: &'static str,
    demo_only: bool,
    open: fn() -> Box<dyn CodeChannel>,
}

struct PromptChannelEntry {
    name: &'static str,
    open: fn(&Arc<Stream>) -> Arc<dyn PromptChannel>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    #[error("no channel is called {name:?}; there are: {known}")]
    Unknown { name: String, known: String },
    #[error("channel {name:?} shows the code to whoever asks for it and exists only in the demo")]
    DemoOnly { name: &'static str },
}

impl ChannelError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "channel_unknown",
            Self::DemoOnly { .. } => "channel_demo_only",
        }
    }
}

/// Makes the channel for one-time codes called `name`. `demo` is true in the demo and nowhere else.
pub fn channel(name: &str, demo: bool) -> Result<Box<dyn CodeChannel>, ChannelError> {
    match CODE_CHANNELS.iter().find(|entry| entry.name == name) {
        Some(entry) if entry.demo_only && !demo => Err(ChannelError::DemoOnly { name: entry.name }),
        Some(entry) => Ok((entry.open)()),
        None => Err(unknown(name, CODE_CHANNELS.iter().map(|entry| entry.name))),
    }
}

/// Makes the channel for prompts called `name`; `stream` is the node's own event stream.
pub fn prompt_channel(
    name: &str,
    stream: &Arc<Stream>,
) -> Result<Arc<dyn PromptChannel>, ChannelError> {
    match PROMPT_CHANNELS.iter().find(|entry| entry.name == name) {
        Some(entry) => Ok((entry.open)(stream)),
        None => Err(unknown(
            name,
            PROMPT_CHANNELS.iter().map(|entry| entry.name),
        )),
    }
}

/// The code channels that a configuration may name; without `demo`, those that `serve` accepts.
pub fn code_channel_names(demo: bool) -> impl Iterator<Item = &'static str> {
    CODE_CHANNELS
        .iter()
        .filter(move |entry| demo || !entry.demo_only)
        .map(|entry| entry.name)
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> ChannelError {
    ChannelError::Unknown {
        name: name.to_owned(),
        known: known.collect::<Vec<_>>().join(", "),
    }
}

/// A one-time code on its way to the holder of a number.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode {
    /// Stable over repeats, so that a network can drop a second copy.
    pub id: String,
    /// E.164, with the plus sign.
    pub number: String,
    pub code: String,
    /// BCP 47, for the text around the code.
    pub language: String,
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneTimeCode")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// How a code travels.
#[derive(Clone, PartialEq, Eq)]
pub enum CodeSent {
    /// The network took it.
    OnItsWay,
    /// The page that asked shows this code.
    ShowOnPage { code: String },
    /// It may or may not arrive; sending it again under the same id is safe.
    Unknown { why: String },
}

impl fmt::Debug for CodeSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnItsWay => f.write_str("OnItsWay"),
            Self::ShowOnPage { .. } => f.write_str("ShowOnPage(***)"),
            Self::Unknown { why } => f.debug_tuple("Unknown").field(why).finish(),
        }
    }
}

/// Carries one-time codes. At least once, with the code's id.
pub trait CodeChannel: Send + Sync {
    fn name(&self) -> &'static str;
    fn send<'a>(&'a self, code: &'a OneTimeCode) -> Promise<'a, CodeSent>;
}

/// Something new for one subscriber's phones. Carries no personal data itself: a phone that gets
/// it, or missed it, fetches what is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Stable over repeats.
    pub id: String,
    /// The subscriber's internal id.
    pub recipient: String,
    /// What kind of news, for example `prompt`.
    pub kind: String,
    /// JSON for the page.
    pub data: Arc<str>,
}

/// Whether anybody was listening; not whether anybody has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    Reached { phones: usize },
    NobodyListening,
}

/// Wakes phones. At least once, with the notice's id; never the only way to learn of a prompt.
pub trait PromptChannel: Send + Sync {
    fn name(&self) -> &'static str;
    /// Whether a notice for `recipient` may reach anybody: if not, it is not worth making one.
    fn reaches(&self, recipient: &str) -> bool;
    fn push<'a>(&'a self, notice: &'a Notice) -> Promise<'a, Pushed>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn screen_exists_only_in_the_demo() {
        assert_eq!(channel("screen", true).unwrap().name(), "screen");
        let Err(error) = channel("screen", false) else {
            panic!("serve must refuse it")
        };
        assert_eq!(error, ChannelError::DemoOnly { name: "screen" });
        assert_eq!(error.code(), "channel_demo_only");
        assert_eq!(code_channel_names(true).collect::<Vec<_>>(), ["screen"]);
        assert_eq!(code_channel_names(false).count(), 0);
    }

    #[test]
    fn an_unlisted_channel_is_refused_by_name() {
        for demo in [false, true] {
            let Err(error) = channel("pigeon", demo) else {
                panic!("no such channel")
            };
            assert_eq!(
                error.to_string(),
                "no channel is called \"pigeon\"; there are: screen"
            );
        }
        let Err(error) = prompt_channel("pigeon", &Arc::default()) else {
            panic!("no such channel")
        };
        assert_eq!(error.code(), "channel_unknown");
    }

    #[tokio::test]
    async fn screen_hands_the_code_to_the_page_and_debug_hides_it() {
        let code = OneTimeCode {
            id: "c1".into(),
            number: "+8613800000001".into(),
            code: "493817".into(),
            language: "en".into(),
        };
        let sent = channel("screen", true).unwrap().send(&code).await;
        assert_eq!(
            sent,
            CodeSent::ShowOnPage {
                code: "493817".into()
            }
        );
        let printed = format!("{code:?} {sent:?}");
        assert!(
            !printed.contains("493817") && !printed.contains("138"),
            "{printed}"
        );
    }
}
