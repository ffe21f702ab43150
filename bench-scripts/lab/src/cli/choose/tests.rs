use super::*;
use weir_lab::spec::PeerKind;

fn all() -> Vec<Experiment> {
    let one = |id: &str, peers: &[&str]| {
        let peers: String = peers
            .iter()
            .map(|name| format!("[[peer]]\nname = \"{name}\"\nkind = \"weir\"\n"))
            .collect();
        let (paper, _) = id.split_once('-').unwrap();
        let text = format!(
            "id = \"{id}\"\ntitle = \"\"\npaper = \"{paper}\"\nclaim = \"\"\n\
                 their-setup = \"\"\nour-setup = \"\"\n\
                 full = {{ repetitions = 1, seconds = 1 }}\n\
                 quick = {{ repetitions = 1, seconds = 1 }}\n[scene]\n{peers}"
        );
        toml::from_str(&text).unwrap()
    };
    vec![
        one("A-E1", &["weir", "htb"]),
        one("A-E2", &["weir"]),
        one("B-curve", &["fixed"]),
        one("E-latency", &["weir", "linux"]),
    ]
}

fn ids(words: &[&str]) -> Result<Vec<String>, String> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let chosen = experiments(all(), &words).map_err(|error| error.to_string())?;
    Ok(chosen.into_iter().map(|experiment| experiment.id).collect())
}

#[test]
fn takes_ids_papers_and_all() {
    assert_eq!(ids(&["b-curve", "A-E1", "a-e1"]).unwrap(), ["A-E1", "B-curve"]);
    assert_eq!(ids(&["a"]).unwrap(), ["A-E1", "A-E2"]);
    assert_eq!(ids(&["all"]).unwrap().len(), 4);
}

#[test]
fn says_what_could_be_meant() {
    insta::assert_snapshot!(
        ids(&["A-E1", "E-latncy"]).unwrap_err(),
        @"there is no experiment `E-latncy`. Did you mean `E-latency`? There are: A-E1, A-E2, B-curve, E-latency"
    );
    insta::assert_snapshot!(
        ids(&["something"]).unwrap_err(),
        @"there is no experiment `something`. There are: A-E1, A-E2, B-curve, E-latency"
    );
}

#[test]
fn peers_are_known() {
    let only = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        check_peers(&all(), &names).map_err(|error| error.to_string())
    };
    assert_eq!(only(&[]), Ok(()));
    assert_eq!(only(&["htb", "linux"]), Ok(()));
    insta::assert_snapshot!(
        only(&["wier"]).unwrap_err(),
        @"there is no peer `wier`. Did you mean `weir`? There are: weir, htb, fixed, linux"
    );
}

#[test]
fn what_lacks_its_peers_is_left_out_unless_it_is_named() {
    let mut other = all();
    other[0].peer[1].kind = PeerKind::Testpmd;
    let missing = run::missing(&other[0], &[]);
    assert_eq!(run::missing(&other[1], &[]), None);
    if let Some(missing) = &missing {
        assert_eq!(
            missing,
            "A-E1 needs dpdk-testpmd: apt-get install dpdk-dev librte-net-af-xdp23"
        );
    }
    let played = |word: &str| playable(other.clone(), &[word.to_owned()], &[]).len();
    assert_eq!(played("all"), if missing.is_some() { 3 } else { 4 });
    assert_eq!(played("A-E1"), 4);
    assert_eq!(run::missing(&other[0], &["weir".to_owned()]), None);
}
