//! Sums and products of numbers: times and rates in a file, once their variables are filled in.
//!
//! Invariant: a text is an expression as a whole or not at all; any other text stays text.

/// The deepest nesting of parentheses and signs.
const DEEPEST: u32 = 32;

/// The value of `text`; `None` if it is not an expression. Not finite after a division by zero.
pub(super) fn value(text: &str) -> Option<f64> {
    let mut rest = Rest { text: text.trim(), depth: 0 };
    let value = rest.sum()?;
    rest.text.is_empty().then_some(value)
}

/// The unread rest; it never begins with a space.
struct Rest<'a> {
    text: &'a str,
    depth: u32,
}

impl Rest<'_> {
    fn take(&mut self, sign: char) -> bool {
        let behind = self.text.strip_prefix(sign).map(str::trim_start);
        if let Some(behind) = behind {
            self.text = behind;
        }
        behind.is_some()
    }

    fn sum(&mut self) -> Option<f64> {
        let mut sum = self.product()?;
        loop {
            if self.take('+') {
                sum += self.product()?;
            } else if self.take('-') {
                sum -= self.product()?;
            } else {
                return Some(sum);
            }
        }
    }

    fn product(&mut self) -> Option<f64> {
        let mut product = self.single()?;
        loop {
            if self.take('*') {
                product *= self.single()?;
            } else if self.take('/') {
                product /= self.single()?;
            } else {
                return Some(product);
            }
        }
    }

    fn single(&mut self) -> Option<f64> {
        self.depth = Some(self.depth + 1).filter(|depth| *depth <= DEEPEST)?;
        let value = if self.take('-') {
            -self.single()?
        } else if self.take('(') {
            let inside = self.sum()?;
            self.take(')').then_some(inside)?
        } else {
            self.number()?
        };
        self.depth -= 1;
        Some(value)
    }

    /// Digits, perhaps with a point: no exponents, which would be hard to read in a file.
    fn number(&mut self) -> Option<f64> {
        let end = self.text.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (digits, behind) = self.text.split_at(end.unwrap_or(self.text.len()));
        let value = digits.parse().ok()?;
        self.text = behind.trim_start();
        Some(value)
    }
}

#[cfg(test)]
mod tests;
