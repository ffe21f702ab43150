use super::*;

fn scene(topology: &str, traffic: &str) -> Scene {
    let text = format!(
        "topology = '{topology}'\nvms = 2\ntraffic = [{traffic}]
             window = [{{ name = 'w', from = 0, to = 1 }}]"
    );
    toml::from_str(&text).unwrap()
}

fn way(traffic: usize, from: &str, to: &str, number: u8, who: &str) -> Way {
    let place = |name: &str| (name.to_owned(), "eth0".to_owned());
    let who = Some(who.to_owned()).filter(|who| !who.is_empty());
    let over_link = to == "up";
    Way { from: place(from), to: place(to), number, who, over_link, traffic }
}

#[test]
fn a_vm_stands_for_what_it_sends_and_only_else_for_what_it_receives() {
    let receive = scene("vms", "{ kind = 'flood', from = 'uplink', to = 'every' }");
    assert_eq!(who(&receive, 200, 2).as_deref(), Some("vm2"));
    let both = scene(
        "vms",
        "{ kind = 'flood', from = 'uplink', to = 'vm1' }, { kind = 'flood', from = 'vm1', to = 'vm2' }",
    );
    assert_eq!(who(&both, 200, 1), None);
    assert_eq!(who(&both, 1, 2).as_deref(), Some("vm1"));
    let routers = scene("routers", "{ kind = 'flood', from = 'uplink', to = 'via-every' }");
    assert_eq!(who(&routers, 200, 2).as_deref(), Some("vm2"));
}

#[test]
fn pure_floods_end_in_the_driver() {
    let scene = scene("vms", "{ kind = 'flood', from = 'every', to = 'uplink' }");
    let ways = [way(0, "v1", "up", 1, "vm1"), way(0, "v2", "up", 2, "vm2")];
    let Cast { countings, sources, .. } = Cast::by(&scene, ways.into());
    assert_eq!(countings.len(), 1);
    assert_eq!((countings[0].keep, countings[0].at), (Keep::None, At::Native));
    let owners: Vec<_> = sources.iter().map(Source::owner).collect();
    assert_eq!(owners, [Some("vm1"), Some("vm2")]);
}

#[test]
fn files_choose_where_it_is_counted_and_one_flow_is_timed() {
    let mut scene = scene(
        "vms",
        "{ kind = 'flood', from = 'vm1', to = 'uplink' }, { kind = 'timed', from = 'vm2', to = 'uplink' }",
    );
    scene.count = CountAt::Tcx;
    let ways = [way(0, "v1", "up", 1, "vm1"), way(1, "v2", "up", 2, "vm2")];
    let countings = Cast::by(&scene, ways.into()).countings;
    let counting = &countings[0];
    assert_eq!((counting.keep, counting.at, counting.timed), (Keep::None, At::Tcx, Some(2)));
}

#[test]
fn what_a_program_has_to_get_passes_beside_floods() {
    let probe = "{ kind = 'flood', from = 'vm1', to = 'uplink' }, { kind = 'probe', from = 'vm2', to = 'uplink' }";
    let ways = [way(0, "v1", "up", 1, "vm1"), way(1, "v2", "up", 2, "vm2")];
    let countings = Cast::by(&scene("vms", probe), ways.clone().into()).countings;
    assert_eq!((countings[0].keep, countings[0].at), (Keep::Only(2), At::Skb));
    let tcp = probe.replace("flood", "tcp");
    let countings = Cast::by(&scene("vms", &tcp), ways.into()).countings;
    assert_eq!(countings[0].keep, Keep::All);
}

#[test]
fn answers_pass_where_floods_are_counted() {
    let traffic = "{ kind = 'tcp', from = 'vm1', to = 'uplink' }, { kind = 'flood', from = 'vm2', to = 'vm1' }";
    let ways = [way(0, "v1", "up", 1, "vm1"), way(1, "v2", "v1", 2, "vm2")];
    let countings = Cast::by(&scene("vms", traffic), ways.into()).countings;
    assert_eq!((countings[1].keep, countings[1].at), (Keep::All, At::Skb));
}

#[test]
fn ways_that_cannot_be_told_apart_are_nobodys_own() {
    let scene = scene("routers", "{ kind = 'flood', from = 'uplink', to = 'via-every' }");
    let ways = [way(0, "up", "right", 201, "vm1"), way(0, "up", "right", 201, "vm2")];
    let sources = Cast::by(&scene, ways.into()).sources;
    assert_eq!(sources.len(), 1);
    assert_eq!(sources[0].owner(), None);
}
