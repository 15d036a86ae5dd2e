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
//! - [`prompts`] is the manifest of what the prompts say.

pub mod check;
pub mod expr;
pub mod flow;
pub mod prompts;
mod read;
pub mod run;
mod value;

pub use check::{Declared, load};
pub use expr::{Facts, QueueFacts, World};
pub use flow::{Library, Program};
pub use run::{Fetched, Input, Output, Prompt, QueueEnd, Run, TransferEnd, UnknownFlow};

/// The flows every centre can run that has queues `support` and `vip`, as path and text: used where the folder of flows
/// holds none.
pub const SHIPPED_FLOWS: [(&str, &str); 2] = [
    ("ivr-scripts/main.toml", include_str!("../../ivr-scripts/main.toml")),
    ("ivr-scripts/survey.toml", include_str!("../../ivr-scripts/survey.toml")),
];

/// The other flows of `ivr-scripts/`, to be copied and adapted: they name services, calendars and boxes that not every
/// centre has. The demo tenant declares them all.
pub const LIBRARY_FLOWS: &[(&str, &str)] = &[
    ("ivr-scripts/emergency.toml", include_str!("../../ivr-scripts/emergency.toml")),
    ("ivr-scripts/hours.toml", include_str!("../../ivr-scripts/hours.toml")),
];
