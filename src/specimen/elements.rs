//! Chemical elements: symbol and atomic number. Number 0, symbol `X`, stands for an unknown species.

/// Largest atomic number that is known (lawrencium), the end of the tables of scattering factors.
pub const MAX_ATOMIC_NUMBER: u8 = 103;

/// Symbols by atomic number.
const SYMBOLS: [&str; MAX_ATOMIC_NUMBER as usize + 1] = [
    "X", "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar", "K", "Ca",
    "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br", "Kr", "Rb", "Sr", "Y",
    "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te", "I", "Xe", "Cs", "Ba", "La", "Ce",
    "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os", "Ir",
    "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U", "Np", "Pu", "Am", "Cm",
    "Bk", "Cf", "Es", "Fm", "Md", "No", "Lr",
];

/// Symbol of an atomic number 0..=103, `None` beyond.
pub fn symbol(atomic_number: u8) -> Option<&'static str> {
    SYMBOLS.get(usize::from(atomic_number)).copied()
}

/// Atomic number of a symbol as chemists write it (`Si`, not `SI`), `None` where there is no such element.
pub fn atomic_number(symbol: &str) -> Option<u8> {
    SYMBOLS.iter().position(|s| *s == symbol).and_then(|z| u8::try_from(z).ok())
}

/// An atomic number given as a real number; `None` unless it is a whole number 0..=103.
pub fn from_number(number: f64) -> Option<u8> {
    let whole = number.fract() == 0.0 && (0.0..=f64::from(MAX_ATOMIC_NUMBER)).contains(&number);
    whole.then_some(number as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_and_numbers_are_inverse() {
        for z in 0..=MAX_ATOMIC_NUMBER {
            assert_eq!(symbol(z).and_then(atomic_number), Some(z));
        }
        assert_eq!((symbol(104), atomic_number("si"), atomic_number("")), (None, None, None));
    }

    #[test]
    fn well_known_elements() {
        for (s, z) in [("X", 0), ("H", 1), ("C", 6), ("Si", 14), ("Fe", 26), ("Ta", 73), ("Au", 79), ("Lr", 103)] {
            assert_eq!(atomic_number(s), Some(z));
        }
    }
}
