//! The cells of an effort, each with the scene that its variables make.
//!
//! Invariant: within an experiment no two cells have the same place.

use std::collections::BTreeMap;

use anyhow::anyhow;
use toml::{Table, Value};

use super::problem::Problem;
use super::variables::Variables;
use super::{Experiment, Scene, Variant};
use crate::cell::{Cell, Place};

/// Values of the variables: a variant and its index, and x.
#[derive(Clone, Copy)]
struct Choice<'a> {
    variant: Option<(usize, &'a Variant)>,
    x: Option<f64>,
}

impl Choice<'_> {
    fn name(&self) -> &str {
        self.variant.map_or("", |(_, one)| one.name.as_str())
    }
}

impl Experiment {
    /// The places of all cells of an effort: by repetition, then variant, then x, then peer.
    #[must_use]
    pub fn places(&self, quick: bool) -> Vec<Place> {
        let mut places = Vec::new();
        for repetition in 0..self.effort(quick).repetitions {
            for choice in self.choices(quick) {
                for peer in &self.peer {
                    if !self.has_peer(quick, choice, &peer.name) {
                        continue;
                    }
                    places.push(Place {
                        experiment: self.id.clone(),
                        peer: peer.name.clone(),
                        variant: choice.name().to_owned(),
                        x: choice.x,
                        repetition,
                    });
                }
            }
        }
        places
    }

    /// All cells of an effort, in the same order.
    pub fn cells(&self, quick: bool) -> anyhow::Result<Vec<Cell>> {
        self.all_cells(quick).map_err(|problem| anyhow!("{}.toml: {}", self.id, problem.plain()))
    }

    pub(super) fn all_cells(&self, quick: bool) -> Result<Vec<Cell>, Problem> {
        let mut scenes = BTreeMap::new();
        for choice in self.choices(quick) {
            let key = (choice.name().to_owned(), choice.x.map(f64::to_bits));
            scenes.insert(key, self.scene(choice, quick)?.0);
        }
        let cell = |place: Place| {
            let key = (place.variant.clone(), place.x.map(f64::to_bits));
            let (peer, scene) = (self.peer(&place.peer)?.clone(), scenes.get(&key)?.clone());
            Some(Cell { place, peer, scene })
        };
        Ok(self.places(quick).into_iter().filter_map(cell).collect())
    }

    /// Whether any of an effort's scenes depends on `$x`.
    pub(super) fn uses_x(&self, quick: bool) -> Result<bool, Problem> {
        for choice in self.choices(quick) {
            if self.scene(choice, quick)?.1 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The scene, and whether it depends on `$x`.
    fn scene(&self, choice: Choice<'_>, quick: bool) -> Result<(Scene, bool), Problem> {
        let seconds = self.effort(quick).seconds;
        let mut variables = Variables::new(choice.variant, choice.x, seconds);
        let read = variables.table(&self.scene, "scene").and_then(read_scene);
        let scene = read.map_err(|mut problem| {
            problem.what.push_str(&context(choice.name(), choice.x, seconds));
            problem
        })?;
        variables.all_used()?;
        Ok((scene.at_scale(self.factor), variables.uses_x()))
    }

    /// Variants and values of x, each with each.
    fn choices(&self, quick: bool) -> Vec<Choice<'_>> {
        let effort = self.effort(quick);
        let wanted = |name: &String| named(effort.variants.as_ref(), name);
        let variants: Vec<Option<(usize, &Variant)>> = if self.variant.is_empty() {
            vec![None]
        } else {
            self.variant.iter().enumerate().filter(|(_, one)| wanted(&one.name)).map(Some).collect()
        };
        let values: Vec<Option<f64>> = match (&self.vary, &effort.values) {
            (None, _) => vec![None],
            (Some(_), Some(values)) => values.iter().copied().map(Some).collect(),
            (Some(vary), None) => vary.values.iter().copied().map(Some).collect(),
        };
        variants
            .iter()
            .flat_map(|one| values.iter().map(|x| Choice { variant: *one, x: *x }))
            .collect()
    }

    fn has_peer(&self, quick: bool, choice: Choice<'_>, peer: &str) -> bool {
        named(self.effort(quick).peers.as_ref(), peer)
            && choice.variant.is_none_or(|(_, one)| named(one.peers.as_ref(), peer))
    }
}

fn named(only: Option<&Vec<String>>, name: &str) -> bool {
    only.is_none_or(|only| only.iter().any(|one| one == name))
}

/// Whether two places differ at most in the repetition.
pub(crate) fn alike(one: &Place, other: &Place) -> bool {
    one.peer == other.peer && one.variant == other.variant && same_x(one.x, other.x)
}

/// Equal up to the rounding of a number that was written to a file and read again.
pub(crate) fn same_x(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * one.abs().max(other.abs()),
        (None, None) => true,
        _ => false,
    }
}

/// The choice of variables that a message is about.
pub(super) fn context(variant: &str, x: Option<f64>, seconds: f64) -> String {
    let variant = if variant.is_empty() { String::new() } else { format!("variant {variant}, ") };
    let x = x.map(|x| format!("$x = {x}, ")).unwrap_or_default();
    format!(" (with {variant}{x}$seconds = {seconds})")
}

fn read_scene(table: Table) -> Result<Scene, Problem> {
    serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        // `traffic[1].stop`; a problem has `traffic.1.stop`.
        let path = error.path().to_string().replace('[', ".").replace(']', "");
        let at = if path == "." { "scene".to_owned() } else { format!("scene.{path}") };
        Problem::new(at, error.inner().message().trim().replace('\n', ", "))
    })
}
