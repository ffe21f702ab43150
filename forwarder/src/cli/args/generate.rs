//! The arguments of the commands that packagers call.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

#[derive(Clone, Copy, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct CompletionsArgs {
    pub shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  weir completions bash > /etc/bash_completion.d/weir
  weir completions zsh > \"${fpath[1]}/_weir\"
  weir completions fish > ~/.config/fish/completions/weir.fish";

#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// Made if it is not there: weir.1, and a page for each command
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}
