//! MATLAB's files: what is common to levels 5 ([`level5`]) and 7.3 (HDF5, [`super::hdf5`]).
//!
//! MATLAB and Octave hold a volume as A(y, x, z): rows along y, columns along x, pages along z, as images have them, and
//! store the first index fastest. That is how the MATLAB interface of this library hands volumes out, so what `save`
//! makes of such an array is read as the same volume, and what is written loads as the same array. Programs that call
//! the first index x (GENFIRE, RESIRE) store A(x, y, z): `permute(A, [2 1 3])` before `save` puts it in order.

pub mod level5;

use ndarray::ArrayView2;

use crate::error::{Error, Result};

/// Name of the variable that is written where none is given.
pub const DEFAULT_NAME: &str = "volume";
/// Name of the scalar beside it: edge of a voxel, angstrom.
pub(super) const VOXEL_SIZE: &str = "voxel_size";
/// Longest name that MATLAB takes.
const MAX_NAME: usize = 63;

/// Whether a file that begins with `head` is an HDF5 file of MATLAB's: of level 7.3.
pub(super) fn is_level73(head: &[u8]) -> bool {
    head.starts_with(b"MATLAB 7.3") && head.get(124..126).is_some_and(|version| version.contains(&2))
}

/// Voxels along z, y and x of an array of MATLAB's dimensions y, x, z; axes of length 1 at the end may be missing.
pub(super) fn shape_of(dimensions: &[u64]) -> Option<[usize; 3]> {
    let length = |axis: usize| dimensions.get(axis).map_or(Some(1), |n| usize::try_from(*n).ok());
    (2..=3).contains(&dimensions.len()).then_some([length(2)?, length(0)?, length(1)?])
}

/// Turns every page from columns (y fastest), as MATLAB stores it, into rows (x fastest).
pub(super) fn columns_to_rows(values: &mut [f32], [_, ny, nx]: [usize; 3]) {
    let mut page = vec![0f32; ny * nx];
    for rows in values.chunks_exact_mut((ny * nx).max(1)) {
        page.copy_from_slice(rows);
        for (y, row) in rows.chunks_exact_mut(nx).enumerate() {
            for (x, value) in row.iter_mut().enumerate() {
                *value = page[x * ny + y];
            }
        }
    }
}

/// The values of one page `[y, x]` in MATLAB's order, little endian.
pub(super) fn rows_to_bytes(page: ArrayView2<'_, f32>) -> Vec<u8> {
    page.t().iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Refuses what MATLAB would not load under this name.
pub(super) fn check_name(name: &str) -> Result<()> {
    let legal = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= MAX_NAME
        && name != VOXEL_SIZE;
    if legal {
        return Ok(());
    }
    let wanted = format!("a letter, then letters, digits and _, {MAX_NAME} at most, and not {VOXEL_SIZE}");
    Err(Error::range("name of a MATLAB variable", format!("`{name}`"), wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn pages_turn_and_turn_back() {
        let values = Array3::from_shape_fn((2, 3, 4), |(z, y, x)| (100 * z + 10 * y + x) as f32);
        let bytes: Vec<u8> = values.outer_iter().flat_map(rows_to_bytes).collect();
        let mut stored: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        assert_eq!(stored[..5], [0.0, 10.0, 20.0, 1.0, 11.0]);
        columns_to_rows(&mut stored, [2, 3, 4]);
        assert_eq!(stored, values.into_raw_vec_and_offset().0);
        assert_eq!(shape_of(&[3, 4, 2]), Some([2, 3, 4]));
        assert_eq!(shape_of(&[3, 4]), Some([1, 3, 4]));
        assert_eq!(shape_of(&[3]), None);
    }

    #[test]
    fn names_of_variables() {
        for good in ["volume", "v1_x", "V"] {
            check_name(good).unwrap();
        }
        for bad in ["", "1a", "a b", "größe", "voxel_size", &"a".repeat(64)] {
            assert_eq!(check_name(bad).unwrap_err().code(), 103, "{bad}");
        }
    }
}
