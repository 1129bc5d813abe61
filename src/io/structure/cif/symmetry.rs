//! Symmetry operations as CIF writes them: `-x+1/2, y, z-0.25` maps fractional coordinates.

use super::super::text::{excerpt, Fault};
use crate::geometry::{apply, determinant, Mat3, Vec3, IDENTITY};

/// f' = W f + w in fractional coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Operation {
    rotation: Mat3,
    translation: Vec3,
}

impl Operation {
    pub(super) const IDENTITY: Operation = Operation { rotation: IDENTITY, translation: [0.0; 3] };

    /// Reads `x, y, z` in any of its spellings.
    pub(super) fn parse(text: &str) -> Fault<Self> {
        let wrong = || format!("`{}` is no symmetry operation as `-x+1/2, y, z`", excerpt(text));
        let mut operation = Operation { rotation: [[0.0; 3]; 3], translation: [0.0; 3] };
        let mut parts = text.split(',');
        for i in 0..3 {
            let part = parts.next().ok_or_else(wrong)?;
            (operation.rotation[i], operation.translation[i]) = component(part).ok_or_else(wrong)?;
        }
        // a proper or improper rotation keeps the volume of the cell
        if parts.next().is_some() || (determinant(&operation.rotation).abs() - 1.0).abs() > 1e-9 {
            return Err(wrong());
        }
        Ok(operation)
    }

    /// The image of a point, folded into 0 <= f < 1.
    pub(super) fn image(&self, f: &Vec3) -> Vec3 {
        let turned = apply(&self.rotation, f);
        std::array::from_fn(|i| fold(turned[i] + self.translation[i]))
    }
}

/// Folds into 0 <= f < 1; what lies on the face but for roundoff lies on it.
fn fold(f: f64) -> f64 {
    let folded = f.rem_euclid(1.0);
    if !(1e-9..=1.0 - 1e-9).contains(&folded) {
        0.0
    } else {
        folded
    }
}

/// Coefficients of x, y, z and the constant of one component, a sum of terms.
fn component(text: &str) -> Option<(Vec3, f64)> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    let (mut row, mut constant) = ([0.0; 3], 0.0);
    let mut rest = text.as_str();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (sign, term) = match rest.as_bytes()[0] {
            b'-' => (-1.0, &rest[1..]),
            b'+' => (1.0, &rest[1..]),
            // only the first term may be without a sign
            _ if rest.len() == text.len() => (1.0, rest),
            _ => return None,
        };
        let end = term.find(['+', '-']).unwrap_or(term.len());
        let (factor, axis) = split_term(&term[..end])?;
        match axis {
            Some(axis) => row[axis] += sign * factor,
            None => constant += sign * factor,
        }
        rest = &term[end..];
    }
    Some((row, constant))
}

/// Factor and axis of `x`, `2*x`, `1/2` or `0.25`.
fn split_term(term: &str) -> Option<(f64, Option<usize>)> {
    let axis = ["x", "y", "z"].iter().position(|name| term.ends_with(name));
    let factor = match axis {
        Some(_) => term[..term.len() - 1].trim_end_matches('*'),
        None => term,
    };
    let value = match factor.split_once('/') {
        _ if factor.is_empty() => axis.map(|_| 1.0)?,
        Some((a, b)) => unsigned(a)? / unsigned(b)?,
        None => unsigned(factor)?,
    };
    value.is_finite().then_some((value, axis))
}

/// A number of digits and at most a point: no sign, no exponent, no `inf`.
fn unsigned(text: &str) -> Option<f64> {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'.').then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_in_many_spellings() {
        assert_eq!(Operation::parse("x,y,z"), Ok(Operation::IDENTITY));
        let p = [0.1, 0.2, 0.3];
        for (text, wanted) in [
            ("-x+1/2, y, z-0.25", [0.4, 0.2, 0.05]),
            ("1/2 - X, +Y, -1/4+Z", [0.4, 0.2, 0.05]),
            ("-Y, X-Y, Z+1/3", [0.8, 0.9, 0.3 + 1.0 / 3.0]),
            ("2/3+x,1/3+y,.5+z", [0.1 + 2.0 / 3.0, 0.2 + 1.0 / 3.0, 0.8]),
            ("1*x,y,z", p),
            ("-x,-y,-z", [0.9, 0.8, 0.7]),
        ] {
            let image = Operation::parse(text).unwrap().image(&p);
            assert!(image.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12), "{text} {image:?}");
        }
        assert_eq!(Operation::parse("-x,-y,-z").unwrap().image(&[0.0, 1.0, 1e-17]), [0.0; 3]);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "x",
            "x,y",
            "x,y,z,x",
            "x,y,y",
            "x,,z",
            "x,y,q",
            "x y z",
            "x,y,z+1/0",
            "x,y,z+",
            "x,y,z+1e5",
            "x,y,zz",
            "x,y,+-z",
            "x,y,z*2",
            "x,y,\u{e9}",
            "2x,y,z",
            "x,y,1/2/3+z",
            "x,y,z+inf",
        ] {
            assert!(Operation::parse(text).is_err(), "{text}");
        }
    }
}
