//! The valid word nearest to an invalid one: so that one look at the error corrects a typing slip.

/// The valid word that `word` was probably meant to be, if one is near enough.
pub fn nearest<'v>(word: &str, valid: &[&'v str]) -> Option<&'v str> {
    // Underscores instead of hyphens are a habit rather than a typing slip: both are the same key here.
    let word: String = word.chars().take(64).collect::<String>().to_lowercase().replace('_', "-");
    let near = |candidate: &&str| strsim::osa_distance(&word, candidate);
    let allowed = 2.max(word.chars().count() / 3);
    valid.iter().copied().min_by_key(|v| near(v)).filter(|v| near(v) <= allowed.min(v.len() - 1))
}

#[cfg(test)]
mod tests;
