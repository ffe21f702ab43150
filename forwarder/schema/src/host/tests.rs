use super::*;

#[test]
fn cores_are_read_in_the_kernels_notation() {
    assert_eq!(parse_core_list("0-3,8\n"), [0, 1, 2, 3, 8]);
    assert_eq!(parse_core_list("0\n"), [0]);
    assert!(parse_core_list("").is_empty());
    assert!(!Host::detect().cores.is_empty());
}
