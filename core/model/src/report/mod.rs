//! `report.json`: from the facts and cells of a run, or of several, to what a
//! reader is shown. In stages: figures, verdicts, warnings, words. How it looks
//! is left to others.

mod build;
mod data;
mod fairness;
mod figures;
pub mod kv;
mod marks;
mod prose;
mod provenance;
pub mod runs;
mod runs_data;
mod source;
mod verdict;
mod warnings;

pub use crate::facts::warning::{Severity, Warning};
pub use crate::hardware::over_time::{CellPhase, SeriesOf, StagePhase, Timeline, TimelineSeries};
pub use crate::stats::inference::Interval;
pub use build::Extras;
pub use data::{
    Doubt, DoubtKind, REPORT_SCHEMA_VERSION, Report, RunTimeline, Tile, TrustAbout, TrustMark,
    schema,
};
pub use fairness::{
    Agreement, Condition, Fairness, FairnessRow, FairnessState, FairnessValue, Parting,
};
pub use figures::capacity::{Capacity, CapacityLevel, RepeatCapacity, SearchEnd};
pub use figures::classes::ClassRow;
pub use figures::columns::MetricColumn;
pub use figures::distribution::{Distribution, DistributionCurve};
pub use figures::pareto::{KEEPS_SLO_FROM, Reach, Trade, TradePer, TradePoint};
pub use figures::replicas::ReplicaRow;
pub use figures::requests::{LoadOverTime, RequestLines, RequestsOverTime};
pub use figures::row::{
    Absence, AbsenceCode, Against, BlockValue, Figure, Pace, Percentile, Row, Series, Unsteady,
};
pub use figures::saturation::KEEPS_UP_FROM;
pub use figures::streaming::{GapsByPosition, TokensPerEvent, TokensShare};
pub use figures::turns::TurnRow;
pub use prose::warnings::{line as warning_line, words as warning_words};
pub use prose::wording::at_levels;
pub use provenance::backend::{BackendReport, Failure, RequestFailure};
pub use provenance::cache_audit::CacheAudit;
pub use provenance::environment::SelfCheckRow;
pub use provenance::fact::Fact;
pub use provenance::reproduce::Reproduce;
pub use provenance::self_check::CheckSummary;
pub use verdict::ahead::Ahead;
pub use verdict::compare::{Comparison, FAILED_LIMIT, MARGIN, Outcome, Reason, comparisons};
pub use verdict::drift::{Drift, find as find_drift};
pub use verdict::effects::{Effect, EffectOutcome};
pub use verdict::family::outcomes;
pub use verdict::tuning::{
    BestAgainst, PointEnd, TunedPoint, TunedRound, Tuning, TuningEnd, TuningVerdict,
};
