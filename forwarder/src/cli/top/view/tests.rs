use super::*;

#[test]
fn every_number_is_explained_and_it_fits_80_by_24() {
    for view in [View::Vifs, View::Flows, View::Losses, View::Links] {
        let text = help(view, 80).join("\n");
        for column in declared(view).columns.iter().filter(|column| column.sortable()) {
            let known = ["NAME", "LINK", "PROTO", "SOURCE", "DESTINATION", "REASON"];
            assert!(known.contains(&column.title) || text.contains(column.title), "{column:?}");
        }
        // Below the three lines of the head, above the last.
        assert!(text.lines().count() <= 20, "{}", text.lines().count());
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
