//! The methods that can be answered here, by their paths: Remit's own, and SpiceDB's. Whether one is, and which right it
//! needs, says the table of verbs (`verbs`).

/// A method whose messages are read and written here.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Method {
    Check,
    CheckMany,
    CheckPermission,
    CheckBulkPermissions,
    Expand,
}

/// All of them, in the order in which they are numbered.
pub const METHODS: [(Method, &str); 5] = [
    (Method::Check, "/remit.v1.Permissions/Check"),
    (Method::CheckMany, "/remit.v1.Permissions/CheckMany"),
    (Method::CheckPermission, "/authzed.api.v1.PermissionsService/CheckPermission"),
    (Method::CheckBulkPermissions, "/authzed.api.v1.PermissionsService/CheckBulkPermissions"),
    (Method::Expand, "/remit.v1.Permissions/Expand"),
];

impl Method {
    pub fn of(path: &str) -> Option<Self> {
        METHODS.iter().find(|(_, known)| *known == path).map(|(method, _)| *method)
    }

    /// Whether its answers tell the steps, so that they are counted.
    pub fn tells_steps(self) -> bool {
        matches!(self, Self::Check | Self::CheckMany)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_path_and_stands_where_its_number_says() {
        for (number, (method, path)) in METHODS.into_iter().enumerate() {
            assert_eq!((Method::of(path), method as usize), (Some(method), number));
        }
        assert_eq!(Method::of("/remit.v1.Permissions/check"), None);
    }
}
