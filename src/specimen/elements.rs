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

/// Standard atomic weights by atomic number, u (IUPAC 2021, abridged); mass number of the longest-lived isotope where
/// an element has none.
#[rustfmt::skip]
const MASSES: [f64; MAX_ATOMIC_NUMBER as usize + 1] = [
    0.0, 1.008, 4.002602, 6.94, 9.0121831, 10.81, 12.011, 14.007, 15.999, 18.998403163, 20.1797, 22.98976928,
    24.305, 26.9815384, 28.085, 30.973761998, 32.06, 35.45, 39.95, 39.0983, 40.078, 44.955907, 47.867, 50.9415,
    51.9961, 54.938043, 55.845, 58.933194, 58.6934, 63.546, 65.38, 69.723, 72.63, 74.921595, 78.971, 79.904, 83.798,
    85.4678, 87.62, 88.905838, 91.224, 92.90637, 95.95, 97.0, 101.07, 102.90549, 106.42, 107.8682, 112.414, 114.818,
    118.71, 121.76, 127.6, 126.90447, 131.293, 132.90545196, 137.327, 138.90547, 140.116, 140.90766, 144.242, 145.0,
    150.36, 151.964, 157.25, 158.925354, 162.5, 164.930329, 167.259, 168.934219, 173.045, 174.9668, 178.486,
    180.94788, 183.84, 186.207, 190.23, 192.217, 195.084, 196.96657, 200.592, 204.38, 207.2, 208.9804, 209.0, 210.0,
    222.0, 223.0, 226.0, 227.0, 232.0377, 231.03588, 238.02891, 237.0, 244.0, 243.0, 247.0, 247.0, 251.0, 252.0,
    257.0, 258.0, 259.0, 262.0,
];

/// Standard atomic mass of an atomic number 1..=103, u; `None` for unknown species.
pub fn mass(atomic_number: u8) -> Option<f64> {
    MASSES.get(usize::from(atomic_number)).copied().filter(|mass| *mass > 0.0)
}

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
    fn masses_rise_but_for_the_known_inversions() {
        let falls = (2..=MAX_ATOMIC_NUMBER).filter(|z| mass(*z) < mass(*z - 1));
        let known = ["K", "Ni", "I", "Pa", "Np", "Am"].map(|s| atomic_number(s).unwrap_or(0));
        assert_eq!(falls.collect::<Vec<u8>>(), known);
        assert_eq!((mass(0), mass(14), mass(79), mass(104)), (None, Some(28.085), Some(196.96657), None));
    }

    #[test]
    fn well_known_elements() {
        for (s, z) in [("X", 0), ("H", 1), ("C", 6), ("Si", 14), ("Fe", 26), ("Ta", 73), ("Au", 79), ("Lr", 103)] {
            assert_eq!(atomic_number(s), Some(z));
        }
    }
}
