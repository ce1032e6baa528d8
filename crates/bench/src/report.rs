//! Lines, tables and units of the output.

use std::io::Write as _;
use std::time::Duration;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use test_database::Kind;

/// Prints a line.
///
/// # Errors
/// If standard output is closed.
pub(crate) fn print_line(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

/// Prints rows below a header. Columns without a value in any row are left out; all but the first two are numbers.
///
/// # Errors
/// If standard output is closed.
pub(crate) fn print_table(header: &[String], rows: &[Vec<String>]) -> std::io::Result<()> {
    print_line(&table(header, rows).to_string())
}

fn table(header: &[String], rows: &[Vec<String>]) -> Table {
    let kept: Vec<usize> = (0..header.len()).filter(|column| rows.iter().any(|row| !row[*column].is_empty())).collect();
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(kept.iter().map(|column| &header[*column]));
    table.add_rows(rows.iter().map(|row| kept.iter().map(|column| row[*column].clone()).collect::<Vec<_>>()));
    for (column, original) in table.column_iter_mut().zip(&kept) {
        if *original > 1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Returns the name of a kind of database.
pub(crate) fn database_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "SQLite",
        Kind::Postgres => "Postgres",
    }
}

/// Formats a time in milliseconds, like `1.23`.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

/// Formats bytes in MiB, like `18.4 MiB`; `?` if the number is unknown.
pub(crate) fn mebibytes(bytes: Option<u64>) -> String {
    match bytes {
        // Tenths are exact enough, and have no rounding of large numbers.
        Some(bytes) => format!("{}.{} MiB", bytes >> 20, (bytes >> 10) % 1024 * 10 / 1024),
        None => "?".to_owned(),
    }
}

/// Returns `count` per second.
#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_leaves_out_columns_without_values_and_aligns_numbers_to_the_right() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let rows = [row(["list", "app", "", "10168"]), row(["get", "app", "", "9"])];
        let expected = "| request | server |  rate |\n|---------|--------|-------|\n\
                        | list    | app    | 10168 |\n| get     | app    |     9 |";
        assert_eq!(table(&row(["request", "server", "ratio", "rate"]), &rows).to_string(), expected);
    }

    #[test]
    fn units_have_a_fixed_number_of_decimals() {
        assert_eq!(milliseconds(Duration::from_micros(1234)), "1.23");
        assert_eq!(mebibytes(Some(18 * (1 << 20) + 512 * (1 << 10))), "18.5 MiB");
        assert_eq!(mebibytes(None), "?");
    }
}
