//! Enumerations arrive as `int32_t` and become Rust enumerations only after a look into the list of known values.

use crate::{Error, Result};

/// An enumeration of the header.
pub(super) trait HostEnum: Copy + Sized + 'static {
    /// All values with their C names.
    const KNOWN: &'static [(Self, &'static str)];

    /// The number of this value in C.
    fn number(self) -> i32;

    /// The value with this number; an error names those that exist.
    fn from_number(number: i32, argument: &'static str) -> Result<Self> {
        Self::KNOWN.iter().find(|(value, _)| value.number() == number).map(|(value, _)| *value).ok_or_else(|| {
            let known: Vec<String> = Self::KNOWN.iter().map(|(v, name)| format!("{name} = {}", v.number())).collect();
            Error::UnknownOption { what: argument.into(), got: number.to_string(), known: known.join(", ") }
        })
    }
}

/// `host_enum!(aet_dtype: F32 = "AET_DTYPE_F32", ...)` lists the values of an enumeration declared beside it; a variant
/// that is left out does not compile.
macro_rules! host_enum {
    ($type:ident: $($variant:ident = $name:literal),+ $(,)?) => {
        impl $crate::capi::enums::HostEnum for $type {
            const KNOWN: &'static [(Self, &'static str)] = &[$(($type::$variant, $name)),+];

            fn number(self) -> i32 {
                match self {
                    $($type::$variant => $type::$variant as i32),+
                }
            }
        }
    };
}
pub(super) use host_enum;
