//! `SQLite` behind the seam.

use super::planning::Planning;
use super::{
    ApplyOptions, ChangeState, ForecastSource, RecordedChange, Sqlite, VacuumWay, analyze_change,
    undo_script_path,
};
use crate::applied::Applied;
use crate::catalog::Catalog;
use crate::change::Change;
use crate::driver::{Driver, Upkeep};
use crate::error::DatabaseError;
use crate::planner::Planner;
use crate::progress::Progress;
use crate::rewrite::Rewrite;
use crate::timing::Timing;
use crate::trial::{ChangeTrial, Trial, TrialResult};
use crate::vacuum_forecast::{VacuumForecast, Vacuumed};
use crate::workload::{Statement, Workload};
use pulse_model::Nanos;

impl Driver for Sqlite {
    fn introspect(&self, progress: &mut dyn Progress) -> Result<Catalog, DatabaseError> {
        Self::introspect(self, progress)
    }

    fn planner(&self, statements: &[Statement]) -> Result<Box<dyn Planner>, DatabaseError> {
        Ok(Box::new(Planning::begin(self, statements)?))
    }

    fn measure(
        &self,
        workload: &Workload,
        trial: &Trial,
        progress: &mut dyn Progress,
    ) -> Result<TrialResult, DatabaseError> {
        Self::measure(self, workload, trial, progress)
    }

    fn apply(
        &self,
        changes: &[Change],
        predicted: &[ChangeTrial],
        progress: &mut dyn Progress,
    ) -> Result<Applied, DatabaseError> {
        let options = ApplyOptions { write: self.write, predicted: predicted.to_vec() };
        Self::apply(self, changes, &options, progress)
    }
}

impl Upkeep for Sqlite {
    fn place(&self) -> String {
        self.path().display().to_string()
    }

    fn with_temporary(&self, statements: &[String]) -> Box<dyn Upkeep> {
        Box::new(self.clone().with_temporary(statements.to_vec()))
    }

    fn undo_script(&self) -> String {
        undo_script_path(self.path()).display().to_string()
    }

    fn pending(&self) -> Result<Option<Vec<Option<Nanos>>>, DatabaseError> {
        let took = |change: &RecordedChange| {
            (change.state == ChangeState::Done).then(|| change.duration.unwrap_or_default())
        };
        Ok(Self::pending(self)?.map(|run| run.changes.iter().map(took).collect()))
    }

    fn time(
        &self,
        workload: &Workload,
        budget: Nanos,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Timing>, DatabaseError> {
        Self::time(self, workload, budget, progress)
    }

    fn plans(&self, workload: &Workload) -> Result<Vec<Result<Vec<String>, String>>, DatabaseError> {
        Self::plans(self, workload)
    }

    fn rewrites(
        &self,
        catalog: &Catalog,
        workload: &Workload,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Rewrite>, DatabaseError> {
        Self::rewrites(self, catalog, workload, progress)
    }

    fn forecast_vacuum(&self, progress: &mut dyn Progress) -> Result<VacuumForecast, DatabaseError> {
        Self::forecast_vacuum(self, ForecastSource::Fill, progress)
    }

    fn vacuum(
        &self,
        forecast: &VacuumForecast,
        progress: &mut dyn Progress,
    ) -> Result<Vacuumed, DatabaseError> {
        Self::vacuum(self, VacuumWay::Whole, forecast, &self.write, progress)
    }

    fn statistics_change(&self) -> Result<(Change, Vec<String>), DatabaseError> {
        let adds_samples = self.statistics()?.samples.is_none();
        let remark = "ANALYZE adds the table sqlite_stat4, samples of the indexes' keys; older programs read the file as before";
        Ok((analyze_change(None), adds_samples.then(|| remark.to_owned()).into_iter().collect()))
    }
}
