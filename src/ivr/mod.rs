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

/// The flows every centre can run that has queues `support` and `vip`, as path and text: used where the folder of flows
/// holds none.
pub const SHIPPED_FLOWS: [(&str, &str); 2] = [
    ("ivr-scripts/main.toml", include_str!("../../ivr-scripts/main.toml")),
    ("ivr-scripts/survey.toml", include_str!("../../ivr-scripts/survey.toml")),
];

/// The other flows of `ivr-scripts/`, to be copied and adapted: they name services, calendars and boxes that not every
/// centre has. The demo tenant declares them all.
pub const LIBRARY_FLOWS: &[(&str, &str)] = &[
    ("ivr-scripts/callback.toml", include_str!("../../ivr-scripts/callback.toml")),
    ("ivr-scripts/complaint.toml", include_str!("../../ivr-scripts/complaint.toml")),
    ("ivr-scripts/crm-menu.toml", include_str!("../../ivr-scripts/crm-menu.toml")),
    ("ivr-scripts/csat-nps.toml", include_str!("../../ivr-scripts/csat-nps.toml")),
    ("ivr-scripts/emergency.toml", include_str!("../../ivr-scripts/emergency.toml")),
    ("ivr-scripts/hours.toml", include_str!("../../ivr-scripts/hours.toml")),
    ("ivr-scripts/language.toml", include_str!("../../ivr-scripts/language.toml")),
    ("ivr-scripts/outage.toml", include_str!("../../ivr-scripts/outage.toml")),
    ("ivr-scripts/payment.toml", include_str!("../../ivr-scripts/payment.toml")),
    ("ivr-scripts/reminder.toml", include_str!("../../ivr-scripts/reminder.toml")),
];
