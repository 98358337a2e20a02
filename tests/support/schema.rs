//! Settings files checked as an editor checks them: by the JSON Schema that a program prints.

use std::fs;

use boon::{Compiler, SchemaIndex, Schemas};

use crate::root;

/// A schema, compiled by a library that knows nothing of the programs.
pub struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    /// Of its text; panics if it is no JSON Schema.
    pub fn new(text: &str) -> Schema {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", serde_json::from_str(text).unwrap()).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap();
        Schema { schemas, index }
    }

    /// What is wrong with a settings file, if anything.
    pub fn check(&self, settings: &str) -> Result<(), String> {
        let table: toml::Table = toml::from_str(settings).map_err(|error| error.to_string())?;
        let value = serde_json::to_value(table).map_err(|error| error.to_string())?;
        self.schemas.validate(&value, self.index).map_err(|error| format!("{error:#}"))
    }

    /// Panics unless every file of `configs/` whose name begins so is right.
    pub fn takes_configs(&self, prefix: &str) {
        let mut seen = 0;
        for entry in fs::read_dir(root().join("configs")).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_file() || !path.file_name().unwrap().to_string_lossy().starts_with(prefix) {
                continue;
            }
            let found = self.check(&fs::read_to_string(&path).unwrap());
            assert!(found.is_ok(), "{}: {found:?}", path.display());
            seen += 1;
        }
        assert!(seen > 0, "no configs {prefix}*.toml");
    }
}
