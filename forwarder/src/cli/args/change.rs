//! What changes a running weir: the arguments, and the merge patches they stand for.
//! Invariant: what is no number, unit or name is refused here (exit code 2); whether it fits the
//! rest is weir's to say.

use std::{fmt::Display, net::IpAddr, str::FromStr};

use clap::{ArgGroup, Args, ValueEnum};
use serde_json::{Map, Value, json};
use weir_core::{
    Choice,
    ids::Mac,
    units::{ByteSize, Rate, Span},
};

use super::{choice, interface};
use crate::control::plan::{ForeignRules, Lane, Policy, Release, Reserved, Role};

/// The ids of all that `PortOptions` offers.
const OPTIONS: [&str; 15] = [
    "weight",
    "min_rate",
    "max_rate",
    "burst",
    "rate",
    "queue",
    "release",
    "timeout",
    "work_conserving",
    "lane",
    "storm",
    "reserved",
    "foreign_rules",
    "mac_lock",
    "ip_lock",
];

#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("change").required(true).multiple(true).args(OPTIONS)))]
#[command(after_long_help = SET_EXAMPLES, override_usage = "weir port set <NAME> <OPTIONS>")]
pub struct PortSetArgs {
    /// The port, as `weir port list` shows it
    #[arg(value_name = "NAME", value_parser = interface)]
    pub name: String,
    #[command(flatten)]
    pub options: Box<PortOptions>,
    /// Print the configuration that came of it, as JSON
    #[arg(long)]
    pub json: bool,
}

const SET_EXAMPLES: &str = "\
`none` takes an option back to its default. Everything but the two locks is
changed without a frame being lost; these take the port out and in again.

Examples:
  weir port set tap7 --weight 4
  weir port set tap7 --min-rate 20Mbit --max-rate 500Mbit
  weir port set tap7 --max-rate none
  weir port set eth1 --rate 1Gbit           what the link towards eth1 takes
  weir port set tap7 --release adaptive --timeout 100us
  weir port set tap7 --lane scheduled       measure each of its frames
It lasts until weir ends, or reads its file again (SIGHUP); to keep it, write it
into the file.

Exit codes: 0 done, 1 refused (nothing has changed), 2 the command line is wrong";

#[derive(Clone, Debug, Args)]
#[command(after_long_help = ADD_EXAMPLES, override_usage = "weir port add <NAME> [OPTIONS]")]
pub struct PortAddArgs {
    /// The interface
    #[arg(value_name = "NAME", value_parser = interface)]
    pub name: String,
    /// What it is for
    #[arg(long, value_parser = choice::<Role>(), default_value_t = Role::Vif)]
    pub role: Role,
    #[command(flatten)]
    pub options: Box<PortOptions>,
    /// Print the configuration that came of it, as JSON
    #[arg(long)]
    pub json: bool,
}

const ADD_EXAMPLES: &str = "\
Examples:
  weir port add tap9
  weir port add tap9 --weight 2 --max-rate 100Mbit
  weir port add eth2 --role uplink --rate 1Gbit";

#[derive(Clone, Debug, Args)]
#[command(after_long_help = DEL_EXAMPLES)]
pub struct PortDelArgs {
    /// The port, as `weir port list` shows it
    #[arg(value_name = "NAME", value_parser = interface)]
    pub name: String,
    /// Print the configuration that came of it, as JSON
    #[arg(long)]
    pub json: bool,
}

const DEL_EXAMPLES: &str = "\
What is under way still arrives; then the interface is as it was before weir.
With --bridge, take the interface out of the bridge instead.

Examples:
  weir port del tap9
  ip link set dev tap9 nomaster      with --bridge";

/// Each is the JSON that the document has for it; `null` for `none`.
#[derive(Clone, Debug, Default, Args)]
pub struct PortOptions {
    /// Its part of every contended link, as a source: 1 to 1000 [default: 1]
    #[arg(long, value_name = "N|none", value_parser = whole)]
    pub weight: Option<Value>,
    /// What it gets before anybody gets more, on every link that has a rate
    #[arg(long, value_name = "RATE|none", value_parser = quantity::<Rate>)]
    pub min_rate: Option<Value>,
    /// What it may send, over all links together
    #[arg(long, value_name = "RATE|none", value_parser = quantity::<Rate>)]
    pub max_rate: Option<Value>,
    /// How far above --max-rate it may get after a pause [default: 64KiB]
    #[arg(long, value_name = "SIZE|none", value_parser = quantity::<ByteSize>)]
    pub burst: Option<Value>,
    /// What may be sent towards the port
    #[arg(long, value_name = "RATE|none", value_parser = quantity::<Rate>)]
    pub rate: Option<Value>,
    /// What of it may wait for each link; beyond, it is shed [default: 512KiB]
    #[arg(long, value_name = "SIZE|none", value_parser = quantity::<ByteSize>)]
    pub queue: Option<Value>,
    /// When its containers are let go: eager, fixed or adaptive
    /// [default: container.release]
    #[arg(long, value_name = "POLICY|none", value_parser = named::<Release>)]
    pub release: Option<Value>,
    /// The longest that one is open [default: container.timeout]
    #[arg(long, value_name = "TIME|none", value_parser = quantity::<Span>)]
    pub timeout: Option<Value>,
    /// Whether one is let go while its link has nothing else to send
    /// [default: container.work-conserving]
    #[arg(long, value_name = "true|false|none", value_parser = flag)]
    pub work_conserving: Option<Value>,
    /// auto: frames that need no scheduling are handed to their port by the gate,
    /// in the kernel; scheduled: every frame goes by a worker, which measures each
    /// of them [default: auto]
    #[arg(long, value_name = "LANE|none", value_parser = named::<Lane>)]
    pub lane: Option<Value>,
    /// Group and unknown frames that it may send in a second; 0: any number
    /// [default: 10000 for a vif, 0 for an uplink]
    #[arg(long, value_name = "N|none", value_parser = whole)]
    pub storm: Option<Value>,
    /// Its frames to 01:80:c2:00:00:0x (spanning trees, LLDP): drop or pass
    /// [default: drop for a vif, pass for an uplink]
    #[arg(long, value_name = "WHAT|none", value_parser = named::<Reserved>)]
    pub reserved: Option<Value>,
    /// Where the host has rules that the gate does not know (weir port list):
    /// bridge (leave its frames to the bridge) or ignore [default: bridge]
    #[arg(long, value_name = "WHAT|none", value_parser = named::<ForeignRules>)]
    pub foreign_rules: Option<Value>,
    /// The source addresses it may use [default: any]
    #[arg(long, value_name = "MAC[,MAC]|none", value_parser = list::<Mac>)]
    pub mac_lock: Option<Value>,
    /// The source addresses it may use [default: any]
    #[arg(long, value_name = "IP[,IP]|none", value_parser = list::<IpAddr>)]
    pub ip_lock: Option<Value>,
}

#[derive(Clone, Debug, Args)]
#[command(after_long_help = KEY_EXAMPLES)]
pub struct SetArgs {
    /// What to change, as the configuration file calls it
    #[arg(value_enum)]
    pub key: Key,
    /// What it is to be; `none`: its default
    pub value: String,
    /// Print the configuration that came of it, as JSON
    #[arg(long)]
    pub json: bool,
}

const KEY_EXAMPLES: &str = "\
Examples:
  weir set scheduler.policy wrr
  weir set scheduler.inactive-after 20ms
  weir set container.release adaptive
  weir set container.timeout 100us
  weir config                            how it is now
It lasts until weir ends, or reads its file again (SIGHUP); to keep it, write it
into the file.

Exit codes: 0 done, 1 refused (nothing has changed), 2 the command line is wrong";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Key {
    /// How links are shared: drr (by bytes), wrr (by packets), fifo (not at all)
    #[value(name = "scheduler.policy")]
    Policy,
    /// How long a port that sends nothing still counts
    #[value(name = "scheduler.inactive-after")]
    InactiveAfter,
    /// When containers are let go: eager, fixed, adaptive
    #[value(name = "container.release")]
    Release,
    /// The longest that a container is open
    #[value(name = "container.timeout")]
    Timeout,
    /// How much of the past counts in what `adaptive` estimates
    #[value(name = "container.alpha")]
    Alpha,
    /// Whether a container is let go while its link has nothing else to send
    #[value(name = "container.work-conserving")]
    WorkConserving,
}

#[derive(Clone, Copy, Debug, Args)]
#[command(after_long_help = CONFIG_EXAMPLES)]
pub struct ConfigArgs {
    /// Print what the control socket answers, as JSON
    #[arg(long)]
    pub json: bool,
}

const CONFIG_EXAMPLES: &str = "\
Examples:
  weir config                   as a configuration file has it
  weir config --json | jq .ports.tap7
  curl --unix-socket /run/weir.sock http://weir/v1/config
  curl --unix-socket /run/weir.sock http://weir/v1/config -X PATCH \\
       -H 'content-type: application/merge-patch+json' \\
       -d '{\"ports\": {\"tap7\": {\"weight\": 4}}}'";

impl PortSetArgs {
    pub fn patch(&self) -> Value {
        json!({"ports": {self.name.as_str(): self.options.object()}})
    }
}

impl PortAddArgs {
    pub fn patch(&self) -> Value {
        let mut port = self.options.object();
        port.insert("role".to_owned(), self.role.to_string().into());
        json!({"ports": {self.name.as_str(): port}})
    }
}

impl PortDelArgs {
    pub fn patch(&self) -> Value {
        json!({"ports": {self.name.as_str(): null}})
    }
}

impl PortOptions {
    fn object(&self) -> Map<String, Value> {
        let all = [
            ("weight", &self.weight),
            ("min-rate", &self.min_rate),
            ("max-rate", &self.max_rate),
            ("burst", &self.burst),
            ("rate", &self.rate),
            ("queue", &self.queue),
            ("release", &self.release),
            ("timeout", &self.timeout),
            ("work-conserving", &self.work_conserving),
            ("lane", &self.lane),
            ("storm", &self.storm),
            ("reserved", &self.reserved),
            ("foreign-rules", &self.foreign_rules),
            ("mac-lock", &self.mac_lock),
            ("ip-lock", &self.ip_lock),
        ];
        let given = all.into_iter().filter_map(|(key, value)| Some((key, value.clone()?)));
        given.map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

impl SetArgs {
    /// With an error, what was typed is no value of this key.
    pub fn patch(&self) -> Result<Value, String> {
        let value = match self.key {
            Key::Policy => named::<Policy>(&self.value),
            Key::Release => named::<Release>(&self.value),
            Key::InactiveAfter | Key::Timeout => quantity::<Span>(&self.value),
            Key::Alpha => fraction(&self.value),
            Key::WorkConserving => flag(&self.value),
        }?;
        let name = self.name();
        let (section, key) = name.split_once('.').unwrap_or(("", &name));
        Ok(json!({section: {key: value}}))
    }

    pub fn name(&self) -> String {
        self.key.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

fn or_none(text: &str, parse: impl FnOnce(&str) -> Result<Value, String>) -> Result<Value, String> {
    if text == "none" { Ok(Value::Null) } else { parse(text) }
}

fn whole(text: &str) -> Result<Value, String> {
    or_none(text, |text| {
        let number = text.parse::<u64>();
        number.map(Value::from).map_err(|_| "expected a whole number, such as 4".to_owned())
    })
}

/// Passed on as it was typed, so that weir's answer shows what the operator knows.
fn quantity<T: FromStr<Err: Display>>(text: &str) -> Result<Value, String> {
    or_none(text, |text| match text.parse::<T>() {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(error.to_string()),
    })
}

fn named<T: Choice>(text: &str) -> Result<Value, String> {
    or_none(text, |text| match T::of_name(text) {
        Some(_) => Ok(text.into()),
        None => Err(format!("expected {}", T::names())),
    })
}

fn flag(text: &str) -> Result<Value, String> {
    or_none(text, |text| match text {
        "true" => Ok(true.into()),
        "false" => Ok(false.into()),
        _ => Err("expected true or false".to_owned()),
    })
}

fn fraction(text: &str) -> Result<Value, String> {
    or_none(text, |text| {
        let number = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
        number.map(Value::Number).ok_or("expected a fraction, such as 0.99".to_owned())
    })
}

fn list<T: FromStr + Display>(text: &str) -> Result<Value, String> {
    or_none(text, |text| {
        let items = text.split(',').map(|item| match item.parse::<T>() {
            Ok(item) => Ok(item.to_string()),
            Err(_) => Err(format!("\"{item}\" is no such address")),
        });
        items.collect::<Result<Vec<String>, String>>().map(Value::from)
    })
}

#[cfg(test)]
mod tests;
