//! Units of length as files name them.

/// Angstroms in a unit: of NumPy-like and ImageJ metadata (`nm`, `micron`, `\u00B5m`) and of EMD files (`[n_m]`); `None`
/// for names of no length, pixels among them.
pub(super) fn angstroms_in(unit: &str) -> Option<f64> {
    let bare: String = unit.trim().chars().filter(|c| !matches!(c, '[' | ']' | '_' | '(' | ')' | '\0')).collect();
    Some(match bare.trim().to_lowercase().as_str() {
        // U+00E5 is the small letter of both the letter Å and the angstrom sign
        "a" | "\u{e5}" | "ang" | "angstrom" | "angstroms" | "\\u00c5" | "\\u00e5" | "\\u212b" => 1.0,
        "pm" | "picometer" | "picometers" => 0.01,
        "nm" | "nanometer" | "nanometers" | "nanometre" => 10.0,
        "um" | "\u{b5}m" | "\u{3bc}m" | "\\u00b5m" | "\\u03bcm" | "micron" | "microns" | "micrometer" => 1e4,
        "mm" | "millimeter" => 1e7,
        "cm" => 1e8,
        "m" | "meter" | "meters" => 1e10,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_lengths() {
        for (unit, wanted) in [
            ("[n_m]", Some(10.0)),
            ("Å", Some(1.0)),
            ("\u{212b}", Some(1.0)),
            ("\\u00C5", Some(1.0)),
            ("A", Some(1.0)),
            (" nm\0", Some(10.0)),
            ("[u_m]", Some(1e4)),
            ("µm", Some(1e4)),
            ("pm", Some(0.01)),
            ("pixel", None),
            ("[px]", None),
            ("", None),
            ("[n_m^-1]", None),
        ] {
            assert_eq!(angstroms_in(unit), wanted, "{unit}");
        }
    }
}
