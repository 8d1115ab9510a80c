//! What a `VACUUM` would bring, before it is done.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connection::{open_reading, refused};
use super::private_copy::{CopyKind, CopyOptions};
use super::watch::{Watch, watched};
use super::{Sqlite, space};
use crate::error::DatabaseError;
use crate::progress::Progress;
use crate::vacuum_forecast::{ForecastSource, Room, VacuumForecast};

/// Time for reading how full the pages are.
const FILL_LIMIT: Duration = Duration::from_secs(30);
/// Tables that are named in a warning.
const NAMED: usize = 5;

impl VacuumForecast {
    /// Fails when there is not room enough.
    pub(crate) fn demand_space(&self, database: &std::path::Path) -> Result<(), DatabaseError> {
        let folder = space::folder_of(database);
        if space::is_shared(&folder, &self.temp_folder) {
            let both = self.temp_bytes.needed.saturating_add(self.database_bytes.needed);
            return space::demand("writing the file anew", &folder, both);
        }
        space::demand("writing the file anew", &folder, self.database_bytes.needed)?;
        space::demand("building the new file", &self.temp_folder, self.temp_bytes.needed)
    }
}

impl Sqlite {
    /// What a `VACUUM` would bring: from the free pages alone, from the fill of every page as far as half a minute goes, or to
    /// the byte by writing a compact copy. Never writes to the database.
    ///
    /// # Errors
    /// When the database cannot be read, there is no room for the copy, or the work is stopped.
    pub fn forecast_vacuum(
        &self,
        precision: ForecastSource,
        progress: &mut dyn Progress,
    ) -> Result<VacuumForecast, DatabaseError> {
        let failed = |source| refused(self.path(), "reading how full the file is", source);
        let reading = open_reading(self.path(), self.busy_timeout())?;
        let (mut connection, is_wal) = (reading.connection, reading.header.is_wal());
        let mut forecast = facts(&connection).map_err(failed)?;
        if is_wal {
            // A connection that takes no locks does not say so.
            "wal".clone_into(&mut forecast.journal_mode);
        }
        let kept = forecast.size_bytes.saturating_sub(forecast.free_bytes);
        forecast.predicted_bytes = kept.max(forecast.page_size.min(forecast.size_bytes));
        if precision != ForecastSource::FreePages {
            let watch = Watch::new();
            watch.attach(&mut connection).map_err(failed)?;
            let (reading, page_size, limited) = (&mut connection, forecast.page_size, &watch);
            let fill = watched("reading how full the pages are", None, &watch, progress, move || {
                limited.limit(FILL_LIMIT);
                let fill = fill(reading, page_size);
                limited.unlimit();
                fill
            });
            match fill {
                _ if watch.is_stopped() => return Err(super::writing::stopped()),
                Ok(fill) => {
                    forecast.unused_bytes = fill.unused_bytes;
                    forecast.source = ForecastSource::Fill;
                    forecast.predicted_bytes = fill.packed(&forecast).min(forecast.predicted_bytes);
                }
                Err(error) => forecast.warnings.push(format!(
                    "how full the pages are could not be read ({error}); the figure counts free pages only"
                )),
            }
        }
        if precision == ForecastSource::Copy {
            let options = CopyOptions { kind: CopyKind::Compact, ..CopyOptions::default() };
            let started = Instant::now();
            let copy = self.private_copy(&options, progress)?;
            forecast.copy_duration = Some(started.elapsed().into());
            forecast.predicted_bytes = copy.size_bytes();
            forecast.source = ForecastSource::Copy;
        }
        self.add_room(&mut forecast)?;
        advise(&mut forecast, &connection).map_err(failed)?;
        Ok(forecast)
    }

    /// The new file is built in SQLite's folder for temporary files, then copied back: through the write-ahead log, or over the
    /// old pages, which go to the rollback journal first.
    fn add_room(&self, forecast: &mut VacuumForecast) -> Result<(), DatabaseError> {
        let folder = space::folder_of(self.path());
        forecast.temp_folder = space::sqlite_temp_folder();
        forecast.temp_bytes =
            Room { needed: forecast.predicted_bytes, free: space::free_bytes(&forecast.temp_folder)? };
        let is_wal = forecast.journal_mode == "wal";
        let needed = if is_wal { forecast.predicted_bytes } else { forecast.size_bytes };
        forecast.database_bytes = Room { needed, free: space::free_bytes(&folder)? };
        Ok(())
    }
}

fn facts(connection: &Connection) -> rusqlite::Result<VacuumForecast> {
    let number = |pragma: &str| {
        connection
            .query_row(&format!("PRAGMA main.{pragma}"), [], |row| row.get::<_, i64>(0))
            .map(i64::unsigned_abs)
    };
    let page_size = number("page_size")?;
    Ok(VacuumForecast {
        size_bytes: number("page_count")? * page_size,
        page_size,
        free_bytes: number("freelist_count")? * page_size,
        auto_vacuum: number("auto_vacuum")?,
        journal_mode: connection.query_row("PRAGMA main.journal_mode", [], |row| row.get(0))?,
        implicit_rowid_tables: implicit_rowid_tables(connection)?,
        ..VacuumForecast::default()
    })
}

/// Tables with row numbers of which no column is another name. A single `INTEGER` key is one, unless it has an index of its
/// own, as that of `INTEGER PRIMARY KEY DESC` does.
fn implicit_rowid_tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT t.name FROM pragma_table_list AS t
               WHERE t.schema = 'main' AND t.type = 'table' AND t.wr = 0 AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                 AND NOT ((SELECT count(*) FROM pragma_table_xinfo(t.name, 'main') WHERE pk > 0) = 1
                      AND (SELECT upper(type) FROM pragma_table_xinfo(t.name, 'main') WHERE pk = 1) = 'INTEGER'
                      AND NOT EXISTS (SELECT 1 FROM pragma_index_list(t.name, 'main') WHERE origin = 'pk'))
               ORDER BY t.name";
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// Pages of all trees, by kind.
#[derive(Default)]
struct Fill {
    unused_bytes: u64,
    /// Pages when every one is filled.
    packed_pages: f64,
}

impl Fill {
    /// Bytes of the file when its pages are packed; with automatic vacuuming there are pages that point back.
    fn packed(&self, forecast: &VacuumForecast) -> u64 {
        let pointers = if forecast.auto_vacuum == 0 { 0.0 } else { 5.0 / forecast.page_size as f64 };
        (self.packed_pages * (1.0 + pointers)).ceil() as u64 * forecast.page_size
    }
}

/// Reads every page. A leaf takes cells until the next one does not fit, which leaves half a cell empty on average; pages above
/// the leaves shrink with them, and chains of overflow pages stay.
fn fill(connection: &Connection, page_size: u64) -> rusqlite::Result<Fill> {
    let sql = "SELECT pagetype, count(*), sum(pgsize - unused), sum(unused), sum(ncell) FROM dbstat('main')
               GROUP BY name, pagetype ORDER BY name, pagetype = 'internal'";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let (mut fill, mut shrunk) = (Fill::default(), 1.0);
    while let Some(row) = rows.next()? {
        let kind: String = row.get(0)?;
        let number = |index| row.get::<_, Option<i64>>(index).map(|value| value.unwrap_or_default() as f64);
        let (pages, used, unused, cells) = (number(1)?, number(2)?, number(3)?, number(4)?);
        fill.unused_bytes += unused as u64;
        fill.packed_pages += match kind.as_str() {
            // A tree's leaves come before the pages above them.
            "leaf" => {
                let room = page_size as f64 - used / cells.max(1.0) / 2.0;
                let packed = (used / room.max(1.0)).ceil().clamp(1.0, pages.max(1.0));
                shrunk = packed / pages.max(1.0);
                packed
            }
            "internal" => (pages * shrunk).ceil(),
            _ => pages,
        };
    }
    Ok(fill)
}

fn advise(forecast: &mut VacuumForecast, connection: &Connection) -> rusqlite::Result<()> {
    let is_wal = forecast.journal_mode == "wal";
    let mut warnings = Vec::new();
    let tables = &forecast.implicit_rowid_tables;
    if !tables.is_empty() {
        let named = tables.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more =
            if tables.len() > NAMED { format!(" and {} more", tables.len() - NAMED) } else { String::new() };
        warnings.push(format!(
            "rows of {named}{more} may get other row numbers (no INTEGER PRIMARY KEY): do not go on where something keeps them"
        ));
    }
    let external: i64 = connection.query_row(
        "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%fts%content%=%'",
        [],
        |row| row.get(0),
    )?;
    if external > 0 && !tables.is_empty() {
        warnings.push(format!(
            "{external} full-text tables refer to rows of another table by number: rebuild them afterwards"
        ));
    }
    if is_wal {
        warnings.push(format!(
            "the write-ahead log grows by about {} bytes, and shrinks only when no reader holds an old state",
            forecast.predicted_bytes
        ));
    }
    warnings.push("it needs the file alone: it waits for readers and writers, and they for it".to_owned());
    forecast.warnings.append(&mut warnings);
    forecast.alternatives = alternatives(forecast, is_wal);
    Ok(())
}

fn alternatives(forecast: &VacuumForecast, is_wal: bool) -> Vec<String> {
    let incremental = match forecast.auto_vacuum {
        2 => format!("PRAGMA incremental_vacuum gives the {} bytes of free pages back in small steps", forecast.free_bytes),
        1 => "free pages go back at every commit already (auto_vacuum = FULL); only the fill of pages can be gained".to_owned(),
        _ => "PRAGMA auto_vacuum = INCREMENTAL before the VACUUM lets later free pages go back in small steps".to_owned(),
    };
    let page_size = if is_wal {
        format!("another page size than {} needs PRAGMA journal_mode = DELETE first", forecast.page_size)
    } else {
        format!(
            "another page size than {} can be set with this VACUUM (PRAGMA page_size)",
            forecast.page_size
        )
    };
    vec![incremental, page_size]
}
