use super::*;

fn looks(peers: &[(&str, &str)]) -> Looks {
    let from = "[[peer]]\nname = \"weir\"";
    let all: String = peers
        .iter()
        .map(|(name, kind)| format!("[[peer]]\nname = \"{name}\"\nkind = \"{kind}\"\n"))
        .collect();
    let text = crate::report::tests::fake::SAMPLE;
    let (head, rest) = text.split_once(from).unwrap();
    let rest = rest.split_once("[vary]").unwrap().1;
    Looks::of(&toml::from_str(&format!("{head}{all}[vary]{rest}")).unwrap())
}

#[test]
fn weir_is_blue_and_no_two_peers_look_alike() {
    let peers = [
        ("bridge", "bridge"),
        ("fifo", "weir"),
        ("weir", "weir"),
        ("eager", "weir"),
        ("htb", "htb"),
        ("second", "bridge"),
        ("linux", "linux"),
    ];
    let looks = looks(&peers);
    assert_eq!(looks.peer("weir", 0).colour, Colour::Blue);
    assert_eq!(looks.peer("bridge", 0).colour, Colour::Vermilion);
    let mut colours: Vec<_> = peers.map(|(name, _)| looks.peer(name, 0).colour).into();
    colours.sort();
    colours.dedup();
    assert_eq!(colours.len(), peers.len());
}

#[test]
fn who_is_judged_is_weir_where_nobody_is_called_so() {
    let text = crate::report::tests::fake::SAMPLE
        .replace("name = \"weir\"", "name = \"adaptive\"")
        .replace("peer = \"weir\"", "peer = \"adaptive\"")
        .replacen("[[peer]]", "[[peer]]\nname = \"fixed\"\nkind = \"weir\"\n[[peer]]", 1);
    let looks = Looks::of(&toml::from_str(&text).unwrap());
    assert_eq!(looks.peer("adaptive", 0).colour, Colour::Blue);
    assert_eq!(looks.peer("fixed", 0).colour, Colour::Sky);
}
