//! The cells of an effort, each with the scene that its variables make.
//!
//! Invariant: within an experiment no two cells have the same place.

use anyhow::anyhow;
use toml::{Table, Value};

use super::problem::{Checked, Problem, within};
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

    pub(super) fn all_cells(&self, quick: bool) -> Checked<Vec<Cell>> {
        let mut scenes = Vec::new();
        for choice in self.choices(quick) {
            scenes.push((choice, self.scene(choice, quick)?.0));
        }
        let cell = |place: Place| {
            let is_its =
                |choice: &Choice<'_>| choice.name() == place.variant && choice.x == place.x;
            let (_, scene) = scenes.iter().find(|(choice, _)| is_its(choice))?;
            let (peer, scene) = (self.peer(&place.peer)?.clone(), scene.clone());
            Some(Cell { place, peer, scene })
        };
        Ok(self.places(quick).into_iter().filter_map(cell).collect())
    }

    /// Whether any scene of the full effort depends on `$x`.
    pub(super) fn uses_x(&self) -> Checked<bool> {
        let mut scenes = self.choices(false).into_iter().map(|choice| self.scene(choice, false));
        scenes.try_fold(false, |used, scene| Ok(used || scene?.1))
    }

    /// The scene, and whether it depends on `$x`.
    fn scene(&self, choice: Choice<'_>, quick: bool) -> Checked<(Scene, bool)> {
        let seconds = self.effort(quick).seconds;
        let mut variables = Variables::new(choice.variant, choice.x, seconds);
        let read = variables.table(&self.scene, "scene").and_then(read_scene);
        let scene = read.map_err(|problem| problem.with(choice.name(), choice.x, seconds))?;
        variables.all_used()?;
        Ok((scene.at_scale(self.factor), variables.uses_x()))
    }

    /// Variants and values of x, each with each.
    fn choices(&self, quick: bool) -> Vec<Choice<'_>> {
        let effort = self.effort(quick);
        let wanted = |name: &String| named(effort.variants.as_ref(), name);
        let variants: Vec<_> = if self.variant.is_empty() {
            vec![None]
        } else {
            self.variant.iter().enumerate().filter(|(_, one)| wanted(&one.name)).map(Some).collect()
        };
        let values: Vec<_> = match &self.vary {
            None => vec![None],
            Some(vary) => {
                effort.values.as_ref().unwrap_or(&vary.values).iter().copied().map(Some).collect()
            }
        };
        let each_x = |variant| values.iter().map(move |x| Choice { variant, x: *x });
        variants.into_iter().flat_map(each_x).collect()
    }

    fn has_peer(&self, quick: bool, choice: Choice<'_>, peer: &str) -> bool {
        named(self.effort(quick).peers.as_ref(), peer)
            && choice.variant.is_none_or(|(_, one)| named(one.peers.as_ref(), peer))
    }
}

fn named(only: Option<&Vec<String>>, name: &str) -> bool {
    only.is_none_or(|only| only.iter().any(|one| one == name))
}

fn read_scene(table: Table) -> Checked<Scene> {
    let scene = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        // `traffic[1].stop`; a problem has `traffic.1.stop`, and nothing for the whole.
        let path = error.path().to_string().replace('[', ".").replace(']', "");
        let what = error.inner().message().trim().replace('\n', ", ");
        Problem::new(if path == "." { "" } else { path.as_str() }, what)
    });
    within("scene", scene)
}
