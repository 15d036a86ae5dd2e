//! What the API asks of the flows in force and of their versions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::PoisonError;

use super::super::flow_files;
use super::reload::Reloader;
use crate::diagnostic::Diagnostic;
use crate::engine::{Command, Input};
use crate::http::flows::{ActivateFault, Activated, Activation, FlowView, Flows, VersionView};
use crate::ivr::{Library, Program, Sounds};
use crate::storage::flows::{Texts, short};

impl Flows for Reloader {
    fn in_force(&self) -> Vec<FlowView> {
        views(&self.flows.in_force().library)
    }

    fn versions(&self) -> Vec<VersionView> {
        let active = self.flows.in_force().active;
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        let mut views = Vec::new();
        for (id, version) in self.flows.kept() {
            let (is_active, flows) = (id == active.active, version.flows);
            let names: BTreeSet<&String> = flows.keys().chain(known.keys()).collect();
            let changed = names.into_iter().filter(|name| flows.get(*name) != known.get(*name)).cloned().collect();
            views.push(VersionView {
                taken_at: version.taken_at,
                by: version.by,
                changed,
                active: is_active,
                from_files: id == active.from_files,
                since: is_active.then_some(active.since),
                activated_by: is_active.then(|| active.by.clone()),
                note: (is_active && !active.note.is_empty()).then(|| active.note.clone()),
                flows: flows.clone(),
                id,
            });
            known = flows;
        }
        views.reverse();
        views
    }

    fn pinned(&self) -> Option<String> {
        let active = self.flows.in_force().active;
        (active.active != active.from_files).then(|| short(&active.active).to_owned())
    }

    fn activate(&self, activation: Activation) -> Result<Activated, ActivateFault> {
        let _one = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let Activation { id, note, by, dry_run } = activation;
        let (id, before) = match id {
            Some(prefix) => (self.flows.find(&prefix).map_err(ActivateFault::Unknown)?, None),
            None => {
                let (id, before) = self.flows.before().ok_or(ActivateFault::NothingBefore)?;
                (id, Some(before))
            }
        };
        let chosen = match self.flows.stored(&self.config.load(), &id) {
            Ok(chosen) => chosen,
            Err(errors) => {
                let refused = errors.join("\n");
                tracing::error!(refused, "flow version {} was refused; the old one stays", short(&id));
                return Ok(Activated { id, errors, ..Activated::default() });
            }
        };
        let mut done = Activated { accepted: true, id, changes: self.flows.plan(&chosen), ..Activated::default() };
        done.warnings.clone_from(&chosen.notes);
        if dry_run || done.changes.is_empty() {
            return Ok(done);
        }
        self.inbox.send(Input::Command(Command::Flows(chosen.library.clone())));
        done.warnings.extend(self.put_in_force(&chosen, &by, &note, before));
        tracing::info!(by, note, "flow version {} is in force", short(&done.id));
        Ok(done)
    }

    fn check(&self, files: BTreeMap<String, String>, manifest: Option<String>) -> (Vec<FlowView>, Vec<Diagnostic>) {
        let config = self.config.load();
        let manifest = manifest.unwrap_or_else(|| flow_files::manifest(&config));
        let (library, found) = flow_files::check(&config, &Texts { files, manifest }, Path::new(""), Sounds::default());
        (library.as_ref().map(views).unwrap_or_default(), found)
    }
}

fn views(library: &Library) -> Vec<FlowView> {
    let view = |program: &Program| FlowView {
        name: program.name.clone(),
        version: program.version.clone(),
        title: program.title.clone(),
        languages: program.languages.clone(),
        nodes: program.nodes.len(),
        edges: program.edges(),
    };
    library.flows.values().map(|program| view(program)).collect()
}
