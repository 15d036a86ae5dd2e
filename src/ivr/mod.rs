//! IVR: flow files become checked programs, and a run walks one caller through one of them.
//!
//! ```text
//!  files --read--> Program --check--> Library --Run::new--> Run <==> Input / Output
//! ```
//!
//! - [`check::load`] takes all files together and refuses them together; [`flow`] is what comes out of it.
//! - [`expr`] is CEL: pure, bounded, checked at load.
//! - [`run::Run`] reads no clock and plays nothing: prompts, queues and transfers are asked for by
//!   [`run::Output`] and answered by [`run::Input`].
//! - [`prompts`] is the manifest of what the prompts say; [`schema`] is the flow format for editors.

pub mod check;
pub mod draw;
pub mod expr;
pub mod flow;
pub mod fmt;
pub mod prompts;
mod read;
pub mod run;
pub mod schema;
mod value;
pub mod walk;

pub use check::{Declared, Sound, Sounds, load};
pub use expr::{Facts, QueueFacts, World};
pub use flow::{Library, Program};
pub use run::{Fetched, Forked, Input, Output, Prompt, QueueEnd, Recorded, Run, Said, TransferEnd, UnknownFlow};

/// The flows that come with the program, as path and text.
pub const SHIPPED_FLOWS: [(&str, &str); 2] = [
    ("ivr-scripts/main.toml", include_str!("../../ivr-scripts/main.toml")),
    ("ivr-scripts/survey.toml", include_str!("../../ivr-scripts/survey.toml")),
];
