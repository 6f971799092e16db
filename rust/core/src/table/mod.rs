//! Rows to Arrow tables. The columns are listed in docs/architecture.md.

mod columns;
mod events;
mod flows;
mod schema;

pub use self::columns::{Columns, Kind, Row};
pub use self::events::Tables;
pub use self::flows::FlowFacts;
