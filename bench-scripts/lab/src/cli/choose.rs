//! Selects the experiments. Invariant: an unknown word is reported with the valid ones.

use weir_lab::run;
use weir_lab::spec::Experiment;

/// An argument named something that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unknown(String);

/// The experiments that `words` name, in the order of `all`, each once.
pub(super) fn experiments(
    all: Vec<Experiment>,
    words: &[String],
) -> Result<Vec<Experiment>, Unknown> {
    let names = |word: &str, experiment: &Experiment| {
        word.eq_ignore_ascii_case("all")
            || word.eq_ignore_ascii_case(&experiment.id)
            || word.eq_ignore_ascii_case(&experiment.paper)
    };
    let unknown_word = |word: &&String| !all.iter().any(|experiment| names(word, experiment));
    if let Some(word) = words.iter().find(unknown_word) {
        let ids: Vec<&str> = all.iter().map(|experiment| experiment.id.as_str()).collect();
        return Err(unknown("experiment", word, &ids));
    }
    let meant = |experiment: &Experiment| words.iter().any(|word| names(word, experiment));
    Ok(all.into_iter().filter(meant).collect())
}

/// Leaves out experiments whose peers are not installed, unless they are named themselves.
pub(super) fn playable(
    chosen: Vec<Experiment>,
    words: &[String],
    only: &[String],
) -> Vec<Experiment> {
    let wanted = |experiment: &Experiment| {
        let Some(missing) = run::missing(experiment, only) else { return true };
        let named = words.iter().any(|word| word.eq_ignore_ascii_case(&experiment.id));
        if !named {
            eprintln!("left out: {missing}");
        }
        named
    };
    chosen.into_iter().filter(wanted).collect()
}

/// Whether the experiments have all these peers.
pub(super) fn check_peers(chosen: &[Experiment], only: &[String]) -> Result<(), Unknown> {
    let mut peers: Vec<&str> = Vec::new();
    for peer in chosen.iter().flat_map(|experiment| &experiment.peer) {
        if !peers.contains(&peer.name.as_str()) {
            peers.push(&peer.name);
        }
    }
    let absent = only.iter().find(|name| !peers.contains(&name.as_str()));
    absent.map_or(Ok(()), |name| Err(unknown("peer", name, &peers)))
}

fn unknown(what: &str, word: &str, valid: &[&str]) -> Unknown {
    let distance = |name: &&str| strsim::levenshtein(&word.to_lowercase(), &name.to_lowercase());
    let nearest = valid.iter().copied().min_by_key(distance);
    let nearest = nearest.filter(|name| distance(name) <= 1 + name.chars().count() / 3);
    let meant = nearest.map(|name| format!(" Did you mean `{name}`?")).unwrap_or_default();
    let valid = if valid.is_empty() { "none".to_owned() } else { valid.join(", ") };
    Unknown(format!("there is no {what} `{word}`.{meant} There are: {valid}"))
}

#[cfg(test)]
mod tests;
