//! The valid word nearest to one that is not: for a typing slip, one look at the error is enough.

/// The valid word `word` was probably meant to be, if one is near enough.
pub fn nearest<'v>(word: &str, valid: &[&'v str]) -> Option<&'v str> {
    // Underscores for hyphens is no slip of a letter, but a habit: both are the same key here.
    let word: String = word.chars().take(64).collect::<String>().to_lowercase().replace('_', "-");
    let near = |candidate: &&str| strsim::osa_distance(&word, candidate);
    let allowed = 2.max(word.chars().count() / 3);
    valid.iter().copied().min_by_key(|v| near(v)).filter(|v| near(v) <= allowed.min(v.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_word_and_strangers_do_not() {
        let keys = ["name", "role", "mode", "weight", "min-rate", "max-rate"];
        assert_eq!(nearest("wieght", &keys), Some("weight"));
        assert_eq!(nearest("min_rate", &keys), Some("min-rate"));
        assert_eq!(nearest("Mode", &keys), Some("mode"));
        assert_eq!(nearest("colour", &keys), None);
        assert_eq!(nearest("", &keys), None);
    }
}
