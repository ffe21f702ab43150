//! How full the flow tables are, without reading a single row.
//!
//! Invariant: a source is reported once. The worker that serves it knows all of its flows, and other
//! workers know some of the same, so the largest numbers are the source's.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_core::FlowSum;

use super::{Measurements, WorkerMeasures};
use crate::worker::NoAnswer;

/// The room of all sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowRoom {
    /// The most flows that can be told apart at once; 0: switched off.
    pub capacity: u64,
    pub sources: Vec<SourceFlows>,
}

/// The flows of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFlows {
    pub port: String,
    /// Flows that have a row now.
    pub known: u64,
    /// Flows that had a row and ended, since the last reset.
    pub ended: u64,
    /// Frames of flows that got no row.
    pub other_frames: u64,
}

impl<S: WorkerMeasures> Measurements<S> {
    pub async fn flow_room(self: &Arc<Self>) -> Result<FlowRoom, NoAnswer> {
        if self.plan.flows == 0 {
            return Ok(FlowRoom::default());
        }
        let mut sources = BTreeMap::new();
        for sum in self.sums().await? {
            let FlowSum { ingress, known, ended_flows, other, .. } = sum;
            let Some(name) = self.ports.lock().await.get(&ingress).map(|held| held.name.clone())
            else {
                continue;
            };
            let source: &mut SourceFlows = sources.entry(ingress).or_default();
            source.port = name;
            source.known = source.known.max(known.into());
            source.ended = source.ended.max(ended_flows);
            source.other_frames += other.0.frames;
        }
        let capacity = u64::from(self.plan.flows) * self.workers.len() as u64;
        Ok(FlowRoom { capacity, sources: sources.into_values().collect() })
    }
}
