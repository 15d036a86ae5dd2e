//! Reads nodes of kind `flow`: another flow serves the caller and comes back.
//!
//! What the other flow wants and gives is in its own file: whether names and types fit is for `check` to say.

use super::super::flow::{Edge, Given, NodeKind, SubFlow, Taken, Target};
use super::super::value::{Reader, Table};

impl Reader<'_> {
    pub(super) fn sub_flow(&mut self, table: &Table<'_>, owner: &str) -> (Option<NodeKind>, Vec<Edge>) {
        self.only_keys(table, &["kind", "flow", "with", "into", "next", "on"], owner);
        let flow = self.required_target(table, "flow", owner);
        let mut with = Vec::new();
        for entry in self.table_at(table, "with").map(|table| table.entries).unwrap_or_default() {
            let Some(value) = self.expression(entry.value) else { continue };
            let param = Target { name: entry.key.to_owned(), span: entry.key_span };
            with.push(Given { param, value, value_span: entry.value.span() });
        }
        let mut into = Vec::new();
        for entry in self.table_at(table, "into").map(|table| table.entries).unwrap_or_default() {
            let is_known = self.known_variable(entry.key, entry.key_span);
            if let (true, Some(returned)) = (is_known, self.target(entry.value)) {
                into.push(Taken { variable: entry.key.to_owned(), returned });
            }
        }
        let can_fail = with.iter().any(|given| given.value.literal().is_none());
        let next = self.required_target(table, "next", owner);
        let kind = flow.zip(next).map(|(flow, next)| NodeKind::Flow(Box::new(SubFlow { flow, with, into, next })));
        (kind, if can_fail { vec![Edge::Error] } else { vec![] })
    }
}
