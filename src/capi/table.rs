//! Tables
//!
//! Results with many columns, read by name.

use super::guard::{guard, guard_value, Host};
use super::handle::Handle;
use super::status::aet_status;
use super::text::OutText;
use super::view::aet_view;
use crate::io::table;
use crate::table::{Quantity, Table};
use crate::Result;
use ndarray::ArrayView1;
use std::ffi::c_char;

/// An immutable table: named columns of doubles, one value per row, and single named values of the whole, all with units.
/// What is not known is NaN; codes are whole numbers, whose enumeration the making function names.
pub struct aet_table {
    _opaque: [u8; 0],
}

impl Handle for aet_table {
    const NAME: &'static str = "aet_table";
    const IMMUTABLE: bool = true;
    type Object = Table;
}

/// Frees a table. NULL is left alone. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_free(table: *mut aet_table) {
    guard_value((), |host| host.free(table))
}

/// Number of rows; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_row_count(table: *const aet_table) -> i64 {
    guard_value(0, |host| Ok(host.object(table, "table")?.rows() as i64))
}

/// Number of columns; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_column_count(table: *const aet_table) -> i64 {
    guard_value(0, |host| Ok(host.object(table, "table")?.columns().len() as i64))
}

/// The name of the column `index`, from 0, as UTF-8 into `buffer` of `capacity` bytes. `needed` takes the bytes needed with
/// the closing NUL; `buffer` NULL only asks for them, else `needed` may be NULL. AET_ERROR_RANGE for an index that does not
/// exist or too small a buffer. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_column_name(
    table: *const aet_table,
    index: i64,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> aet_status {
    guard("aet_table_column_name", |host| {
        let out = host.out_text(buffer, capacity, needed)?;
        tell(host, host.object(table, "table")?.columns(), index, out, |quantity| &quantity.name)
    })
}

/// The unit of the column `index`, empty where it has none (counts, codes, ratios), written as by aet_table_column_name. Any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_column_unit(
    table: *const aet_table,
    index: i64,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> aet_status {
    guard("aet_table_column_unit", |host| {
        let out = host.out_text(buffer, capacity, needed)?;
        tell(host, host.object(table, "table")?.columns(), index, out, |quantity| &quantity.unit)
    })
}

/// Copies the column `name` into `out` `[rows]`, of any real element type that holds its values. AET_ERROR_UNKNOWN_OPTION for
/// a column that does not exist, AET_ERROR_SHAPE, AET_ERROR_DTYPE, AET_ERROR_RANGE for a value that `out` cannot hold. Any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_copy_column(
    table: *const aet_table,
    name: *const c_char,
    out: *const aet_view,
) -> aet_status {
    guard("aet_table_copy_column", |host| {
        let column = host.object(table, "table")?.column(&host.text(name, "name")?)?;
        host.out_view(out, "out")?.write(&ArrayView1::from(column))
    })
}

/// Number of single values; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_value_count(table: *const aet_table) -> i64 {
    guard_value(0, |host| Ok(host.object(table, "table")?.values().len() as i64))
}

/// The name of the single value `index`, from 0, written as by aet_table_column_name. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_value_name(
    table: *const aet_table,
    index: i64,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> aet_status {
    guard("aet_table_value_name", |host| {
        let out = host.out_text(buffer, capacity, needed)?;
        tell(host, host.object(table, "table")?.values(), index, out, |quantity| &quantity.name)
    })
}

/// The unit of the single value `index`, empty where it has none, written as by aet_table_column_name. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_value_unit(
    table: *const aet_table,
    index: i64,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> aet_status {
    guard("aet_table_value_unit", |host| {
        let out = host.out_text(buffer, capacity, needed)?;
        tell(host, host.object(table, "table")?.values(), index, out, |quantity| &quantity.unit)
    })
}

/// The single value `name`. AET_ERROR_UNKNOWN_OPTION for one that does not exist. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_value(table: *const aet_table, name: *const c_char, value: *mut f64) -> aet_status {
    guard("aet_table_value", |host| {
        let place = host.out(value, "value")?;
        place.set(host.object(table, "table")?.value(&host.text(name, "name")?)?);
        Ok(())
    })
}

/// Counts the values of the column `column` in `bins` equal bins from the smallest to the largest; the largest falls into the
/// last bin, and values that are not finite into none. `*histogram` has the columns `lower`, `upper` (in the column's unit)
/// and `count`; where `by`, a column, is not NULL, also `count_c` for every value c of it, ascending. `bins` 0: the root of the
/// number of values, within 10 and 200. AET_ERROR_UNKNOWN_OPTION for a column that does not exist, AET_ERROR_EMPTY without a
/// finite value, AET_ERROR_RANGE for more than a million bins, AET_ERROR_INCONSISTENT where `by` has more than 256 different
/// values. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_histogram(
    table: *const aet_table,
    column: *const c_char,
    by: *const c_char,
    bins: i64,
    histogram: *mut *mut aet_table,
) -> aet_status {
    guard("aet_table_histogram", |host| {
        let place = host.new_handle(histogram, "histogram")?;
        let table = host.object(table, "table")?;
        let (column, by) = (host.text(column, "column")?, host.optional_text(by, "by")?);
        let bins = Some(host.count(bins, "bins")?).filter(|bins| *bins > 0);
        place.set(table.histogram(&column, by.as_deref(), bins)?);
        Ok(())
    })
}

/// Writes the table as text: lines `# name [unit] = value` for the single values, a line of column names with units in
/// brackets, then one line per row, columns between commas; numbers read back to the last bit. The file appears when it is
/// complete, an older one of that name is replaced. `path` is UTF-8. AET_ERROR_FILE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_write(table: *const aet_table, path: *const c_char) -> aet_status {
    guard("aet_table_write", |host| table::write(host.object(table, "table")?, &host.path(path, "path")?))
}

/// Writes the name or the unit of one of the quantities.
fn tell<T>(
    host: &Host,
    quantities: &[Quantity<T>],
    index: i64,
    out: OutText<'_>,
    of: fn(&Quantity<T>) -> &str,
) -> Result<()> {
    let index = host.index(index, quantities.len(), "index")?;
    out.set(quantities.get(index).map_or("", of))
}
