//! What Grafana does with the shipped files before it asks the database: it fills in its variables.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::history::HOUR;

/// A file that users copy.
pub(crate) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("telegraf").join(name)
}

/// The text of a file that users copy.
#[track_caller]
pub(crate) fn read(name: &str) -> String {
    std::fs::read_to_string(shipped(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The dashboard.
pub(crate) struct Dashboard(pub(crate) Value);

/// What a viewer has chosen.
pub(crate) struct View<'a> {
    pub(crate) meter: &'a str,
    /// The end of the last 24 hours that are shown, in nanoseconds since the epoch.
    pub(crate) to: i64,
}

impl Dashboard {
    pub(crate) fn read() -> Dashboard {
        Dashboard(serde_json::from_str(&read("grafana/dashboard.json")).unwrap())
    }

    /// Every panel that is no heading.
    pub(crate) fn panels(&self) -> Vec<&Value> {
        let panels = self.0["panels"].as_array().unwrap();
        panels.iter().filter(|panel| panel["type"] != "row").collect()
    }

    /// The queries of a panel.
    pub(crate) fn queries<'a>(&self, panel: &'a Value) -> Vec<&'a str> {
        panel["targets"].as_array().unwrap().iter().map(|target| target["query"].as_str().unwrap()).collect()
    }

    /// The variables, by name.
    pub(crate) fn variable(&self, name: &str) -> &Value {
        let variables = self.0["templating"]["list"].as_array().unwrap();
        variables.iter().find(|variable| variable["name"] == name).unwrap()
    }

    /// A query as the database gets it.
    #[track_caller]
    pub(crate) fn filled(&self, query: &str, view: &View<'_>) -> String {
        let (from, to) = ((view.to - 24 * HOUR) / 1_000_000, view.to / 1_000_000 + 1);
        let limit = self.variable("limit")["current"]["value"].as_str().unwrap();
        let filled = query
            .replace("$timeFilter", &format!("time >= {from}ms and time <= {to}ms"))
            .replace("$__interval", "10s")
            .replace("$meter", view.meter)
            .replace("$limit", limit);
        assert!(!filled.contains('$'), "a variable that Grafana does not know: {filled}");
        filled
    }
}
