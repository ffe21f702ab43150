//! The nearest valid word to one that is not: for a typing slip, one look at the error is enough.

/// How many insertions, deletions, replacements and swaps of neighbours lead from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// The valid word `word` was probably meant to be, if one is near enough.
pub(crate) fn nearest<'v>(word: &str, valid: &[&'v str]) -> Option<&'v str> {
    // Underscores for hyphens is no slip of a letter, but a habit: both are the same key here.
    let word: String = word.chars().take(64).collect::<String>().to_lowercase().replace('_', "-");
    let near = |candidate: &&str| distance(&word, candidate);
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
        assert_eq!(distance("abc", "acb"), 1);
    }
}
