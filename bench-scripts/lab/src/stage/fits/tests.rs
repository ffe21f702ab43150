use super::super::owed::tests::scene;
use super::*;

fn refused(kind: &str, text: &str) -> String {
    let peer = toml::from_str(&format!("name = 'it'\nkind = '{kind}'")).unwrap();
    fits(&peer, &scene(text)).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_done_is_refused() {
    insta::assert_snapshot!(
        [
            refused("weir", "vms = 0"),
            refused("weir", "vms = 2\nvm = [{ number = 3 }]"),
            refused("linux", "vms = 2"),
            refused("redirect", "vms = 1\ntopology = 'routers'"),
            refused("direct", "vms = 2"),
            refused("redirect", "vms = 1\nlink = 100"),
        ]
        .join("\n"),
        @r#"
        0 VMs; valid: 1 to 100
        there is no VM 3 to promise anything; valid: 1 to 2
        `it` is plain Linux forwarding: it needs `topology = "routers"`
        `it` connects one VM and the uplink host: it has no routers
        `it` connects one VM and the uplink host; the scene has 2
        `it` goes past every queue: a scene with a `link` needs another peer
        "#
    );
}

#[test]
fn what_can_be_done_is_not() {
    let fit = |kind: &str, text: &str| {
        let peer = toml::from_str(&format!("name = 'it'\nkind = '{kind}'")).unwrap();
        fits(&peer, &scene(text)).unwrap();
    };
    for kind in ["weir", "bridge", "htb", "linux"] {
        fit(kind, "vms = 8\nlink = 100\ntopology = 'routers'");
    }
    for kind in ["weir", "bridge", "htb"] {
        fit(kind, "vms = 2\nlink = 100\nvm = [{ number = 2, max = 5 }]");
    }
    fit("redirect", "vms = 1");
    fit("direct", "vms = 1\nlink = 100");
}
