//! Numbers that stand for many.

/// The median: of an even number of values the upper of the middle two, so that it is one of them; NaN without values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    match values.len() / 2 {
        _ if values.is_empty() => f64::NAN,
        middle => *values.select_nth_unstable_by(middle, f64::total_cmp).1,
    }
}

/// Standard deviation of a normal distribution whose median absolute deviation is 1.
pub(crate) const MAD_TO_DEVIATION: f64 = 1.482_602_218_505_602;

/// The standard deviation about the median as the median absolute deviation tells it, which wrong values hardly move; NaN
/// without values.
pub(crate) fn robust_deviation(values: &[f64]) -> f64 {
    let middle = median(values);
    let deviations: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
    MAD_TO_DEVIATION * median(&deviations)
}

#[cfg(test)]
mod tests {
    use super::{median, robust_deviation, MAD_TO_DEVIATION};

    #[test]
    fn wrong_values_hardly_move_the_robust_deviation() {
        assert_eq!(robust_deviation(&[1.0, 2.0, 3.0, 4.0, 5.0]), MAD_TO_DEVIATION);
        assert_eq!(robust_deviation(&[1.0, 2.0, 3.0, 4.0, 1e9]), MAD_TO_DEVIATION);
        assert!(robust_deviation(&[]).is_nan());
    }

    #[test]
    fn the_median_is_the_middle_value_of_all() {
        assert_eq!(median(&[3.0, -1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 3.0);
        assert_eq!(median(&[1.0, 1.0, f64::INFINITY]), 1.0);
        assert_eq!(median(&[7.0]), 7.0);
        assert!(median(&[]).is_nan());
    }
}
