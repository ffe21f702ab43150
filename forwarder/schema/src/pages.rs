//! The pages made from the declarations: an example file with every setting, and a reference.

use crate::{
    ContainerPlan, Declaration, ForwarderPlan, MeasurePlan, PortPlan, SchedulerPlan,
    setting::Section,
};

const COLUMNS: usize = 100;
/// The column in which comments begin.
const COMMENT: usize = 28;

const EXAMPLE_HEAD: &str = "\
# A configuration of weir with every setting there is. Only [[port]] is needed; the comment names
# the default where the example is another value. Made of the declarations in forwarder/schema.
#
#   weir doctor --config weir.toml     whether this machine can do it
#   weir run --config weir.toml        do it
#   kill -HUP <pid>                    read the file again, and change what can change meanwhile
#
# Rates are in bit, Kbit, Mbit or Gbit (per second, decimal), sizes in B, KiB, MiB or GiB (1KiB is
# 1024B), times in ns, us, ms or s.
";

const REFERENCE_HEAD: &str = "\
# Settings

Every setting of the configuration file, made of the declarations in forwarder/schema.
[weir.example.toml](weir.example.toml) has each of them with a value.

*Changed* says what a change asks for: *live*, it is made while traffic flows (by SIGHUP, `weir port
set`, `weir set` or a PATCH); *reattach*, likewise, and the port is taken out and in again; *reload*,
the same, by SIGHUP only; *restart*, it is made when weir starts.
";

/// A section's settings, for pages about all sections.
#[derive(Clone, Debug)]
pub struct Listed {
    pub section: &'static str,
    pub about: &'static str,
    pub settings: Vec<&'static Declaration>,
}

/// All settings, in the order of the file.
pub fn all() -> Vec<Listed> {
    vec![
        listed::<ForwarderPlan>(),
        listed::<ContainerPlan>(),
        listed::<SchedulerPlan>(),
        listed::<MeasurePlan>(),
        listed::<PortPlan>(),
    ]
}

pub fn listed<S: Section>() -> Listed {
    let settings = S::SETTINGS.iter().map(|row| &row.about).collect();
    Listed { section: S::NAME, about: S::ABOUT, settings }
}

/// docs/weir.example.toml.
pub fn example(sections: &[Listed]) -> String {
    let mut text = EXAMPLE_HEAD.to_owned();
    for listed in sections {
        if listed.section != PortPlan::NAME {
            text += &format!("\n# {}\n[{}]\n", listed.about, listed.section);
            text.extend(listed.settings.iter().map(|setting| line(setting)));
            continue;
        }
        text += "\n# The way out of the host.\n[[port]]\nname = \"eth1\"\nrole = \
                 \"uplink\"\n";
        text += &format!("\n# {}\n[[port]]\n", listed.about);
        text.extend(listed.settings.iter().map(|setting| line(setting)));
        text += "\n# And one like any other.\n[[port]]\nname = \"tap2\"\n";
    }
    text
}

fn line(setting: &Declaration) -> String {
    let mut comment = setting.help();
    let (default, example) = (setting.default_text(), setting.example());
    if default.as_deref().unwrap_or("") != example.trim_matches('"') {
        match default {
            Some(default) => comment += &format!("; default: {default}"),
            None if setting.key != "name" => comment += "; default: none",
            None => {}
        }
    }
    let mut text = format!("{} = {example}", setting.key);
    if text.len() + 2 > COMMENT {
        text += "\n";
    }
    let width = textwrap::Options::new(COLUMNS - COMMENT - 2)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    for piece in textwrap::wrap(&comment, width) {
        let column = text.len() - text.rfind('\n').map_or(0, |newline| newline + 1);
        text += &format!("{}# {piece}\n", " ".repeat(COMMENT - column));
    }
    text
}

/// docs/settings.md.
pub fn reference(sections: &[Listed]) -> String {
    let mut text = REFERENCE_HEAD.to_owned();
    for listed in sections {
        let title = if listed.section == PortPlan::NAME {
            "[[port]]".to_owned()
        } else {
            format!("[{}]", listed.section)
        };
        text += &format!("\n## {title}\n\n{}\n\n", listed.about);
        text += "| setting | values | default | changed | |\n|---|---|---|---|---|\n";
        for setting in &listed.settings {
            let cell = |text: &str| text.replace('|', "\\|");
            text += &format!(
                "| `{}` | {} | {} | {} | {} |\n",
                setting.key,
                cell(&(setting.kind)().valid),
                cell(&setting.default_text().unwrap_or_default()),
                setting.effect,
                cell(&setting.help()),
            );
        }
    }
    text
}
