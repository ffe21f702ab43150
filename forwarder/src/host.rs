//! Code that reads or changes the host. It knows nothing of forwarders, reports or requests.
//!
//! - [`privileges`], [`links`], [`netns`]: what this host is and has
//! - [`bridge`]: what the kernel's bridge knows, and what of it the gate may decide
//! - [`pair`]: weir's own pair of devices; [`pins`]: the gates' links; [`mounts`]: where both outlive weir
//! - [`attach`]: the programs and their maps
//! - [`settings`], [`state`]: changes to settings of the host, and their undoing
//! - [`leftovers`]: what a dead weir left, and how it is removed
//! - [`netlink`]: the socket all of it asks

/// Debug output of a type that has fields without one: its other fields.
macro_rules! debug_partly {
    ($name:ident $(, $field:ident)*) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    };
}

pub mod attach;
pub mod bridge;
pub mod leftovers;
pub mod links;
mod mounts;
pub(crate) mod netlink;
pub mod netns;
pub mod pair;
pub mod pins;
pub mod privileges;
pub mod settings;
pub mod state;
