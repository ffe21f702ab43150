//! The messages about files that cannot be run.

use crate::spec::load::read;
use crate::spec::load::tests::sample::{GOOD, refused, told};

#[test]
fn what_is_wrong_with_the_head() {
    let all = [
        told("\"A-E9\"", "\"A-E8\""),
        told("paper = \"A\"", "paper = \"B\""),
        told("paper = \"A\"", "paper = \"F\""),
        told("repetitions = 2", "repetitions = 0"),
        told("seconds = 2", "seconds = -2"),
        told("values = [40]", "values = []"),
        told("values = [30, 40]", "values = [40, 40]"),
        told("peers = [\"weir\"]", "peers = [\"wier\"]"),
        told("peers = [\"weir\"]", "peers = [\"weir\", \"weir\"]"),
        told("peers = [\"weir\"]", "variants = [\"v5\"]"),
        told("peers = [\"weir\"]", "peers = [\"bridge\"]\nvariants = [\"v6\"]"),
        told("name = \"bridge\"", "name = \"weir\""),
        told("name = \"bridge\"", "name = \"a bridge\""),
        told("kind = \"bridge\"", "kind = \"bridge\"\nidle = \"spin\""),
        told("kind = \"bridge\"", "kind = \"bridge\"\nlane = \"auto\""),
        told("idle = \"spin\"", "idle = \"busy\""),
        told("lane = \"scheduled\"\n", ""),
        told("lane = \"scheduled\"", "lane = \"express\""),
        told("name = \"v6\"", "name = \"v4\""),
        told("peers = [\"weir\"]\nset", "peers = []\nset"),
        told("[vary]\nname = \"cap\"\nvalues = [30, 40]", ""),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    line 1: id: the file is called A-E9.toml: rename it, or write id = "A-E9"
    line 1: id: an experiment of paper B is called B, or B- and a name
    line 3: paper: there is no paper "F": write one of A, B, C, D, E, W
    line 9: full.repetitions: write a number from 1 to 1000
    line 14: quick.seconds: write a time above 0 and up to 3600
    line 15: quick.values: there is no value: write one at least
    line 31: vary.values 2: 40 is there twice
    line 16: quick.peers 1: there is no peer "wier", valid: bridge, weir
    line 16: quick.peers 2: "weir" is there twice: take one out
    line 16: quick.variants 1: there is no variant "v5", valid: v4, v6
    line 12: quick: its peers have none of its variants: nothing is measured
    line 26: peer 2.name: "weir" is there twice: rename one
    line 26: peer 2.name: "a bridge" is no name for results: use letters, digits, . and -
    line 25: peer 2: binary, idle, mode, lane and config are weir's: take them out
    line 25: peer 2: binary, idle, mode, lane and config are weir's: take them out
    line 21: expected spin | adaptive | sleep
    line 18: peer 1: which lane weir's frames go by is not said: write lane = "scheduled", by which a worker schedules and measures each, or lane = "auto"
    line 22: expected auto | scheduled
    line 38: variant 2.name: "v4" is there twice: rename one
    line 39: variant 2.peers: name one peer at least
    line 15: quick.values: values are those of [vary], which is not there: add it
    "#);
}

#[test]
fn what_is_wrong_with_a_scene() {
    let all = [
        told("vms = 2", "vms = 0"),
        told("vms = 2", "vms = 'two'"),
        told("vms = 2", "vms = '$x + 0.5'"),
        told("vms = 2", "vms = 2\nslice = 0"),
        told("link = 100", "link = 0"),
        told("link = 100", "link = '$rate'"),
        told("link = 100", "mtu = 576"),
        told("number = 1", "number = 3"),
        told("max = \"$x\"", "max = \"$x\", min = 35"),
        told("max = \"$x\" }", "max = \"$x\" }, { number = 2, min = 101 }"),
        told("max = \"$x\" }", "max = \"$x\" }, { number = 1 }"),
        told("max = \"$x\"", "max = \"$x\", weight = 0"),
        told("name = \"both\"", "name = \"alone\""),
        told("name = \"both\"", "name = \"both.of\""),
        told("to = \"$seconds\" }", "to = \"$seconds * 0.5\" }"),
        told("from = \"$seconds * 0.5 + 0.5\"", "from = \"$seconds * 0.4\""),
        told("stop = \"$seconds\"", "stop = 1"),
        told("at = \"vm2\"", "at = \"vm3\""),
        told("at = \"vm2\"", "at = \"uplink\""),
        told("at = \"$seconds / 2\"", "at = \"$seconds * 2\""),
        told("[1, \"$first\"]", "[1, \"$first\", 7]"),
        told("[1, \"$first\"]", "[0, \"$first\"]"),
        told("first = \"$x / 10\"", "first = \"$weights\""),
        told("first = \"$x / 10\"", "first = \"$x / 10\", second = 2"),
        told("first = \"$x / 10\"", "first = \"$x / 8\""),
        told("kind = \"bridge\"", "kind = \"linux\""),
        told("kind = \"bridge\"", "kind = \"redirect\""),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    line 43: scene.vms: 0 VMs: write a number from 1 to 100
    line 43: scene.vms: invalid type: string "two", expected u8
    line 43: scene.vms: invalid type: floating point `30.5`, expected u8
    line 44: scene.slice: 0 is not above 0: write a time in seconds
    line 44: scene.link: 0 is not above 0: write a rate in Mb/s
    line 44: scene.link: there is no variable $rate: set it in every variant, or use $family, $first, $seconds, $weights, $x
    line 44: scene.mtu: 576 is no MTU here: write 1280 to 65535
    line 46: scene.vm 1.number: there is no VM 3: `vms` makes 2 VMs, counted from 1
    line 46: scene.vm 1: the minimum is above the maximum: lower it
    line 45: scene.vm: the minimums come to 101 Mb/s, which the link does not have: lower them
    line 46: scene.vm 2: VM 1 is there twice: write its promises together
    line 46: scene.vm 1.weight: 0 is no weight: write a number from 1 to 1000
    line 56: scene.window 2: the window "alone" is there twice: rename one
    line 56: scene.window 2.name: "both.of" is no name of a window: use letters, digits, _ and -
    line 56: scene.window 2: the window "both" is from 5.5 to 5 s: let it end after it begins
    line 56: scene.window 2: the window "both" begins at 4 s, before 5 s: windows follow each other from 0 on
    line 52: scene.load 1.stop: it goes on from 1 to 1 s: let it stop after its start
    line 52: scene.load 1.at: there is no VM 3: `vms` makes 2 VMs, counted from 1
    line 52: scene.load 1.at: "uplink" has no load: write vm1 and so on, or host
    line 53: scene.step 1.at: a step at 20 s: write them in order, from 0 to the end of the windows, 10 s
    line 53: scene.step 1.weights: 3 weights: write one at least, and at most one for each VM
    line 53: scene.step 1.weights: 0 is no weight: write a number from 1 to 1000
    line 35: variant 1.set.first: a variable is made of itself, $weights of $first of $weights: break the circle
    line 35: variant 1.set.second: nothing in [scene] uses $second: use it, or take it out
    line 53: scene.step 1.weights 2: invalid type: floating point `3.75`, expected u32
    line 27: peer 2.kind: linux stands for virtual routers: write topology = "routers" in [scene]
    line 27: peer 2.kind: redirect connects one VM and the uplink host, and here are 2 VMs: leave this peer out, by a variant's `peers` perhaps
    "#);
}

#[test]
fn a_variable_that_makes_no_difference() {
    let text = GOOD.replace("max = \"$x\"", "max = 40").replace("\"$x / 10\"", "4");
    insta::assert_snapshot!(refused(&text), @"line 29: vary: nothing in [scene] depends on $x: use it, or take this out");
}

#[test]
fn what_is_wrong_with_traffic() {
    let all = [
        told("frame = 1514", "frame = 1515"),
        told("frame = 1514", "frame = 59"),
        told("frame = 1514", "frame = 1000, size = 1000"),
        told("frame = 1514, ", ""),
        told("kind = \"flood\"", "kind = \"tcp\""),
        told("kind = \"flood\"", "kind = \"floods\""),
        told("kind = \"flood\"", "kind = \"flood\", pps = 1, mbit = 1"),
        told("kind = \"flood\"", "kind = \"live\", mbit = 1"),
        told("kind = \"flood\"", "kind = \"flood\", connections = 0"),
        told("kind = \"flood\"", "kind = \"flood\", probing = \"round-trip\""),
        told("size = 200", "size = 39"),
        told("size = 200", "size = 1473"),
        told("size = 200", "size = 0, pps = -1"),
        told("size = 200", "size = 63, probing = \"round-trip\""),
        told("from = \"vm1\"", "from = \"vm3\""),
        told("from = \"vm1\"", "from = \"guest\""),
        told("from = \"vm1\"", "from = \"uplink\""),
        told("from = \"vm1\", to = \"uplink\"", "from = \"every\", to = \"vm1\""),
        told("to = \"uplink\"", "to = \"via1\""),
        told("name = \"polite\"", "name = \"vm2\""),
        told("name = \"polite\"", "name = \"cpu\""),
        told("start = \"$seconds * 0.5\"", "start = \"$seconds\""),
        told("start = \"$seconds * 0.5\"", "start = 1, stop = 1"),
        told("kind = \"flood\"", "kind = \"flood\", name = \"polite\""),
        told(
            "size = 200, start = \"$seconds * 0.5\", name = \"polite\" }",
            "size = 200 }, { kind = \"probe\", from = \"every\", to = \"uplink\", size = 200 }",
        ),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    line 49: scene.traffic 1.frame: 1515 bytes: write 60 to 1514
    line 49: scene.traffic 1.frame: 59 bytes: write 60 to 1514
    line 49: scene.traffic 1: it has size and frame: take one out
    line 49: scene.traffic 1: it has no length: give it a size or a frame
    line 49: scene.traffic 1: TCP makes its frames as it likes: give a size in place of frame
    line 49: scene.traffic 1.kind: unknown variant `floods`, expected one of `flood`, `live`, `probe`, `timed`, `tcp`, `ask`, `records`
    line 49: scene.traffic 1: it has pps and mbit: take one out
    line 49: scene.traffic 1: this kind goes as fast as it can: take mbit out
    line 49: scene.traffic 1: 0 connections: write 1 to 1000
    line 49: scene.traffic 1: only a probe has `probing`: take it out
    line 50: scene.traffic 2.size: 39 bytes: write 40 to 1472, which is what a datagram has room for
    line 50: scene.traffic 2.size: 1473 bytes: write 40 to 1472, which is what a datagram has room for
    line 50: scene.traffic 2.pps: -1 is not above 0: write packets a second, or take it out
    line 50: scene.traffic 2.size: 63 bytes: write 64 to 1472, which is what a datagram has room for
    line 49: scene.traffic 1.from: there is no VM 3: `vms` makes 2 VMs, counted from 1
    line 49: scene.traffic 1.from: "guest" is no seat: write one of vm1 …, via1 …, every, uplink, right, via-every, via-others, host
    line 49: scene.traffic 1: "uplink" would send to itself: choose another `to`
    line 49: scene.traffic 1: "every" would send to itself: choose another `to`
    line 49: scene.traffic 1.to: "via1" is no seat without routers: write one of vm1 …, every, uplink
    line 50: scene.traffic 2.name: "vm2" is the name of something else: choose another, or leave it out
    line 50: scene.traffic 2.name: "cpu" is the name of something else: choose another, or leave it out
    line 50: scene.traffic 2.start: it begins at 10 s: write a time from 0 to the end of the windows, 10 s
    line 50: scene.traffic 2.stop: it goes on from 1 to 1 s: let it stop after its start
    line 50: scene.traffic 2: another traffic of the same window tells of "polite", too: give each a name
    line 50: scene.traffic 3: another traffic of the same window tells of "vm2", too: give each a name
    "#);
}

#[test]
fn seats_with_routers() {
    let routers = |from: &str, to: &str| {
        let text = GOOD
            .replace("vms = 2", "vms = 2\ntopology = \"routers\"")
            .replace(
                "from = \"vm1\", to = \"uplink\"",
                &format!("from = \"{from}\", to = \"{to}\""),
            )
            .replace("from = \"vm2\", to = \"uplink\"", "from = \"uplink\", to = \"via1\"");
        read(&text, "A-E9").map(|_| ()).map_err(|_| refused(&text))
    };
    for to in ["via2", "via-every", "via-others", "right"] {
        assert_eq!(routers("uplink", to), Ok(()));
    }
    let all = [
        routers("vm1", "right"),
        routers("uplink", "via3"),
        routers("via1", "uplink"),
        routers("right", "via1"),
        routers("right", "right"),
    ];
    let all = all.map(Result::unwrap_err);
    insta::assert_snapshot!(all.join("\n"), @r#"
    line 50: scene.traffic 1.from: "vm1" is no seat with routers: write one of uplink, right, via1 …, via-every, via-others
    line 50: scene.traffic 1.to: there is no VM 3: `vms` makes 2 VMs, counted from 1
    line 50: scene.traffic 1.from: a way by a router is for `to` only: send from uplink or right
    line 50: scene.traffic 1: via1 and so on lead to right: send from uplink
    line 50: scene.traffic 1: "right" would send to itself: choose another `to`
    "#);
}

#[test]
fn bursts() {
    let good = GOOD.replace("size = 200", "size = 200, pps = 100, burst = 0.02");
    assert_eq!(read(&good, "A-E9").unwrap().cells(true).unwrap()[0].scene.traffic[1].burst, 0.02);
    let all = [
        told("size = 200", "size = 200, burst = 0.02"),
        told("frame = 1514", "frame = 1514, pps = 100, burst = 0.02"),
        told("size = 200", "size = 200, pps = 100, burst = -1"),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
    line 50: scene.traffic 2.burst: only a probe with pps or mbit comes in bursts: take it out
    line 49: scene.traffic 1.burst: only a probe with pps or mbit comes in bursts: take it out
    line 50: scene.traffic 2.burst: write a time in seconds from 0 to 1
    ");
}

#[test]
fn what_is_wrong_with_checks_and_figures() {
    let all = [
        told("least = 0.98\n", ""),
        told("least = 0.98", "least = 0.98\nquick-most = 0.5"),
        told("\"both.vm1.mbit\", peer = \"weir\"", "\"both.vm1.mbit\", peer = \"weird\""),
        told("\"both.vm1.mbit\", peer = \"weir\"", "\"both.vm1.mbit\", peer = \"weir\", x = 35"),
        told("\"both.vm1.mbit\", peer = \"weir\"", "\"both.vm3.mbit\", peer = \"weir\""),
        told("\"both.vm1.mbit\", peer = \"weir\"", "\"vm1.mbit\", peer = \"weir\""),
        told("\"alone.vm1.mbit\", peer = \"weir\"", "\"alone.vm1.mbit\", peer = \"bridge\""),
        told("\"alone.vm1.mbit\", peer = \"weir\"", "\"before.vm1.mbit\", peer = \"weir\""),
        told(
            "value = { quantity = \"both.vm1.mbit\", peer = \"weir\" }",
            "value = { quantity = \"both.vm1.mbit\", peer = \"bridge\", variant = \"v6\" }",
        ),
        told("title = \"A figure\"", "title = \"A figure\"\ndraw = \"time\""),
        told("\"VM 1\", peers", "\"VM 1\", variants = [\"v6\"], peers"),
        told("peers = [\"weir\", \"bridge\"]", "peers = []"),
        told("quantity = \"both.vm1.mbit\", name", "quantity = \"both.*.mbit\", name"),
        told("\"VM 1\", peers", "\"VM 1\", over = { peer = \"htb\" }, peers"),
        told("\"VM 1\", peers", "\"VM 1\", over = { x = 35 }, peers"),
        told("\"VM 1\", peers", "\"VM 1\", over = { quantity = \"both.vm3.mbit\" }, peers"),
        told("\"both.vm1.mbit\", name = \"VM 1\"", "\"alone.polite.p50_us\", name = \"VM 2\""),
        told("published = [\"Figure 4\"]", "published = [\"Figure 5\"]"),
        told("[30, 30]", "[30]"),
        told("[40, 38, 35, 41]", "[40, 38, 41, 35]"),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    line 59: check 1: nothing is asked: write least or most, or both
    line 59: check 1: least is above most with --quick: nothing can be so
    line 61: check 1.value.peer: there is no peer "weird", valid: bridge, weir
    line 61: check 1.value.x: this is none of the values of [vary]: write one of them, or take it out
    line 61: check 1.value.quantity: `both.vm3.mbit`: there is no `vm3` here, valid: all, cpu, events, polite, vm1, vm2, weir (weir, v4, $x = 30)
    line 61: check 1.value.quantity: `vm1.mbit` is no quantity: write `window.who.what` (weir, v4, $x = 30)
    line 62: check 1.over: bridge, v6, $x = 30 is not measured, which the value is divided by: name another peer, variant or x
    line 62: check 1.over.quantity: `before.vm1.mbit`: there is no window `before`, valid: alone, both (weir, v4, $x = 30)
    line 61: check 1.value: no cell is of this peer, variant and x: nothing would be judged
    line 69: figure 1.line 1.quantity: `both.vm1.mbit` is no series over time: write `who.what`
    line 68: figure 1.line 1.quantity: no cell is of bridge and these variants
    line 68: figure 1.line 1.peers: name one peer at least
    line 68: figure 1.line 1.quantity: `both.*.mbit`: a line needs one name in place of `*`
    line 68: figure 1.line 1.over.peer: there is no peer "htb", valid: bridge, weir
    line 68: figure 1.line 1.over.x: this is none of the values of [vary]: write one of them, or take it out
    line 68: figure 1.line 1.over: `both.vm3.mbit`: there is no `vm3` here, valid: all, cpu, events, polite, vm1, vm2, weir
    line 68: figure 1.line 1.quantity: `alone.polite.p50_us`: `polite` has no `p50_us` here, valid: mbit, kpps, goodput_mbit, offered_mbit, offered_kpps, loss
    line 69: figure 1.published 1: no [[published]] has figure = "Figure 5": add it, or take this out
    line 74: published 1.line 1.points 1: write [x, y] or [x, y, low, high] with low <= high
    line 74: published 1.line 1.points 2: write [x, y] or [x, y, low, high] with low <= high
    "#);
}

#[test]
fn lines_need_something_varied() {
    let text = GOOD
        .replace("[vary]\nname = \"cap\"\nvalues = [30, 40]", "")
        .replace("values = [40]", "")
        .replace("\"$x / 10\"", "4")
        .replace("\"$x\"", "40");
    insta::assert_snapshot!(refused(&text), @r#"line 63: figure 1.draw: lines are drawn over what [vary] varies, and it is not there: write draw = "bars""#);
    assert!(read(&text.replace("A figure\"", "A figure\"\ndraw = \"bars\""), "A-E9").is_ok());
}

#[test]
fn what_a_peer_cannot_play() {
    let with = |kind: &str, scene: &str| {
        let text = GOOD
            .replace("kind = \"bridge\"", &format!("kind = \"{kind}\""))
            .replace("vms = 2\nlink = 100", scene)
            .replace("from = \"vm1\", to = \"uplink\"", "from = \"uplink\", to = \"via1\"")
            .replace("from = \"vm2\", to = \"uplink\"", "from = \"uplink\", to = \"via1\"");
        refused(&text)
    };
    let one = GOOD
        .replace("kind = \"bridge\"", "kind = \"redirect\"")
        .replace("vms = 2", "vms = 1")
        .replace("from = \"vm2\"", "from = \"vm1\"")
        .replace("at = \"vm2\"", "at = \"vm1\"")
        .replace("[1, \"$first\"]", "[\"$first\"]");
    let all = [
        with("direct", "vms = 2\nlink = 100\ntopology = 'routers'"),
        with("redirect", "vms = 2\ntopology = 'routers'"),
        refused(&one),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    line 27: peer 2.kind: direct connects one VM and the uplink host, and here are 2 VMs behind routers: leave this peer out, by a variant's `peers` perhaps
    line 27: peer 2.kind: redirect connects one VM and the uplink host, and here are 2 VMs behind routers: leave this peer out, by a variant's `peers` perhaps
    line 27: peer 2.kind: redirect goes past every queue: leave this peer out, or the `link`
    "#);
}

#[test]
fn what_is_wrong_with_a_scale() {
    // A rate that is not varied, and two quantities that may be divided.
    let good = GOOD
        .replace("max = \"$x\"", "weight = \"$x\"")
        .replace("[scene]", "[scale]\npps = 100000\nshare = 0.5\n\n[scene]");
    assert!(read(&good, "A-E9").is_ok());
    let told = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        refused(&good.replacen(from, to, 1))
    };
    let all = [
        told("pps = 100000\n", ""),
        told("share = 0.5", "share = 0.5\nmbit = 1000"),
        told("pps = 100000", "pps = 0"),
        told("pps = 100000", "mbit = inf"),
        told("pps = 100000", "kpps = 100"),
        told("share = 0.5", "share = 0"),
        told("share = 0.5", "share = 1.5"),
        told("share = 0.5\n", ""),
        told("link = 100\n", ""),
        told("weight = \"$x\"", "max = \"$x\""),
        told("frame = 1514", "frame = 1514, pps = \"$x\""),
        told("\"alone.vm1.mbit\", peer", "\"alone.cpu.total\", peer"),
        told(
            "\"both.vm1.mbit\", peer = \"weir\" }\nover",
            "\"both.cpu.total\", peer = \"weir\" }\nover",
        ),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
    line 42: scale: write what the rates ask of weir's worker: mbit of TCP that it cuts, or pps that it forwards, one of both
    line 42: scale: write what the rates ask of weir's worker: mbit of TCP that it cuts, or pps that it forwards, one of both
    line 43: scale.pps: 0 is not above 0: write frames a second
    line 43: scale.mbit: inf is not above 0: write a rate in Mb/s
    line 43: unknown field `kpps`, expected one of `mbit`, `pps`, `share`
    line 44: scale.share: 0 is no share: write a part of what the worker manages, above 0 and up to 1
    line 44: scale.share: 1.5 is no share: write a part of what the worker manages, above 0 and up to 1
    line 42: missing field `share`
    line 42: scale: no scene here has a rate: take this out
    line 42: scale: $x makes a rate here, and the axis would not show which one: take this out, or vary something else
    line 42: scale: $x makes a rate here, and the axis would not show which one: take this out, or vary something else
    line 66: check 1.over: with [scale] a rate is divided by a rate, and nothing else is: choose another quantity
    line 66: check 1.over: with [scale] a rate is divided by a rate, and nothing else is: choose another quantity
    ");
}
