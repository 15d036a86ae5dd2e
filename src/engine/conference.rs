//! Others are brought into a talk, and taken out of it.

use std::time::Instant;

use crate::call::route::{Refusal, Route};
use crate::id::{CallId, LegId};
use crate::journal::Origin;

use super::Engine;

impl Engine {
    /// Rings somebody for the talk of a call, by the right of the agent in it: a number, an agent's id, or `sip:` and one
    /// of them.
    ///
    /// # Errors
    ///
    /// The SIP status that says why not: 403 not allowed, 404 no such call or number, 480 nobody talks, 486 it is full,
    /// 488 its media does not pass through us, 491 somebody is being rung, 501 a code that is not built.
    pub fn conference_add(&mut self, now: Instant, id: CallId, to: &str) -> Result<(), u16> {
        let call = self.calls.get(&id).ok_or(404u16)?;
        call.may_invite()?;
        let agent = call.peer().and_then(|peer| peer.kind.agent()).or(call.user());
        let by = agent.cloned().ok_or(403u16)?;
        let number = to.strip_prefix("sip:").map_or(Some(to), |uri| uri.split(['@', ';']).next());
        let route = self.route_for(&Origin::User(by.clone()), number.unwrap_or_default());
        match route {
            Route::Dial(_) | Route::Direct(_) => {}
            Route::Refuse(Refusal::NotFound) => return Err(404),
            Route::Refuse(Refusal::Forbidden) => return Err(403),
            // Neither a queue nor a flow is somebody to talk with.
            Route::Flow(_) | Route::Queue(_) | Route::Feature(_) | Route::Supervise(..) | Route::Echo | Route::Tone => {
                return Err(403);
            }
        }
        self.with_call(now, id, |call, context| call.invite(context, by, route));
        self.pump(now);
        Ok(())
    }

    /// Takes somebody out of a talk who was brought into it.
    ///
    /// # Errors
    ///
    /// 404: he is not in it.
    pub fn conference_drop(&mut self, now: Instant, id: CallId, leg: LegId) -> Result<(), u16> {
        let mut dropped = false;
        self.with_call(now, id, |call, _| dropped = call.drop_guest(leg));
        self.pump(now);
        if dropped { Ok(()) } else { Err(404) }
    }
}
