//! The arguments that change a running weir, and their merge patches. Invariant: an invalid number,
//! unit or name is refused here (exit code 2); weir itself checks whether it fits the rest.

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgGroup, ArgMatches, Args, Command, FromArgMatches};
use serde_json::{Map, Value, json};
use weir_core::Role;
use weir_schema::{Declaration, PortPlan, Section, pages};

use super::{choice, interface};

#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("change").required(true).multiple(true).args(options().map(|setting| setting.key))))]
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

/// An option for every setting of a port that can be changed. Given are the values that the document
/// has for them; `null` for `none`.
#[derive(Clone, Debug, Default)]
pub struct PortOptions {
    given: Map<String, Value>,
}

fn options() -> impl Iterator<Item = &'static Declaration> {
    let settings = PortPlan::SETTINGS.iter().map(|row| &row.about);
    // A port's role is given when the port is added.
    settings.filter(|setting| setting.effect.by_patch() && setting.key != "role")
}

fn option(setting: &'static Declaration) -> Arg {
    Arg::new(setting.key)
        .long(setting.key)
        .value_name((setting.kind)().value_name)
        .value_parser(|text: &str| value_of(setting, text))
        .help(setting.option_help())
}

impl Args for PortOptions {
    fn augment_args(command: Command) -> Command {
        command.args(options().map(option))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PortOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches).map(|()| options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let given = options().filter_map(|setting| {
            let value = matches.get_one::<Value>(setting.key)?;
            Some((setting.key.to_owned(), value.clone()))
        });
        self.given.extend(given);
        Ok(())
    }
}

#[derive(Clone, Debug, Args)]
#[command(after_long_help = KEY_EXAMPLES)]
pub struct SetArgs {
    /// What to change, as the configuration file calls it
    #[arg(value_parser = key_names())]
    pub key: String,
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

/// The settings for all ports that can be changed.
fn keys() -> impl Iterator<Item = &'static Declaration> {
    let for_all = pages::all().into_iter().filter(|listed| listed.section != PortPlan::NAME);
    for_all.flat_map(|listed| listed.settings).filter(|setting| setting.effect.by_patch())
}

fn key_names() -> PossibleValuesParser {
    keys().map(|setting| PossibleValue::new(setting.path).help(setting.help())).into()
}

pub(super) const CONFIG_EXAMPLES: &str = "\
Examples:
  weir config                   as a configuration file has it
  weir config --json | jq .ports.tap7
  curl --unix-socket /run/weir.sock http://weir/v1/config
  curl --unix-socket /run/weir.sock http://weir/v1/config -X PATCH \\
       -H 'content-type: application/merge-patch+json' \\
       -d '{\"ports\": {\"tap7\": {\"weight\": 4}}}'";

impl PortSetArgs {
    pub fn patch(&self) -> Value {
        json!({"ports": {self.name.as_str(): self.options.given.clone()}})
    }
}

impl PortAddArgs {
    pub fn patch(&self) -> Value {
        let mut port = self.options.given.clone();
        port.insert("role".to_owned(), self.role.to_string().into());
        json!({"ports": {self.name.as_str(): port}})
    }
}

impl PortDelArgs {
    pub fn patch(&self) -> Value {
        json!({"ports": {self.name.as_str(): null}})
    }
}

impl SetArgs {
    /// The error lists the valid values.
    pub fn patch(&self) -> Result<Value, String> {
        let setting = keys().find(|setting| setting.path == self.key);
        let setting = setting.ok_or_else(|| format!("{} is no setting", self.key))?;
        let value = value_of(setting, &self.value)?;
        let (section, key) = self.key.split_once('.').unwrap_or(("", &self.key));
        Ok(json!({section: {key: value}}))
    }
}

/// The document's value of a typed text.
fn value_of(setting: &Declaration, text: &str) -> Result<Value, String> {
    if text == "none" { Ok(Value::Null) } else { (setting.of_text)(text) }
}

#[cfg(test)]
mod tests;
