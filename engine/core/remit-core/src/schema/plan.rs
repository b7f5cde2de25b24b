//! The compiled schema as numbers: what `language/plan.py` says, with every name resolved to where it leads.
//!
//! A *slot* is a relation or permission of a type, or one `along` of a type's permission: what a goal asks for. A goal's
//! slot says at once what its equation is made of, whatever the object.
//! Law: a plan means what the Python plan means that it was made from; it holds no name of its own.

use crate::graph::{Graph, NONE};
use hashbrown::{HashMap, HashSet};

// --- as it comes from Python ----------------------------------------------------------------------------------

/// An expression of `language/plan.py`, field by field.
#[derive(Clone, Debug)]
pub enum Expression {
    Nil,
    Itself,
    Name(String),
    Union(Vec<Expression>),
    Intersection(Vec<Expression>),
    Exclusion(Box<Expression>, Box<Expression>),
    Arrow { relation: String, name: String, every: bool },
    SubjectArrow(String),
    Exists(String),
    Along { child: String, relations: Vec<String> },
}

/// A permission, with its type before it.
pub type Member = (String, String);

/// An alternative of a relation, of which relationships have documents that may ask for permissions.
#[derive(Clone, Debug)]
pub struct Asking {
    pub relation: String,
    pub subject_type: String,
    pub subject_relation: String, // empty for plain subjects and wildcards
    pub is_wildcard: bool,
    pub caveat: String,
    pub expires: bool,
    pub begins: bool,
    pub declared: Vec<Member>,
}

/// A definition of `language/plan.py`: its name, relations and permissions, and what documents beside the relations may ask.
#[derive(Clone, Debug, Default)]
pub struct Definition {
    pub name: String,
    pub relations: Vec<String>,
    pub permissions: Vec<(String, Expression)>,
    pub asking: Vec<Asking>,
}

// --- compiled -------------------------------------------------------------------------------------------------

/// A node of an expression; operands are numbers of other nodes.
#[derive(Clone, Copy, Debug)]
pub enum Node {
    Nil,
    Itself,
    Goal {
        slot: u32,
    },
    /// The operands lie in `operands[from..to]`.
    Union {
        from: u32,
        to: u32,
    },
    Intersection {
        from: u32,
        to: u32,
    },
    Exclusion {
        base: u32,
        subtracted: u32,
    },
    /// `targets` is a table of slots by type.
    Arrow {
        kind: u32,
        targets: u32,
        every: bool,
    },
    SubjectArrow {
        targets: u32,
    },
    Exists {
        kind: u32,
    },
}

/// What a goal's equation is made of.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    Relation,
    Permission {
        node: u32,
    },
    /// `chain` is a table of relations by the subject's type.
    Along {
        child: u32,
        chain: u32,
    },
}

#[derive(Clone, Copy, Debug)]
pub struct Slot {
    pub kind: u32, // NONE for an `along`
    pub body: Body,
    /// The value is the same for every plain subject: it speaks of the object alone, as `hold.exists()` does.
    pub is_for_all: bool,
}

/// What a relationship is written as.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Alternative {
    pub kind: u32,
    pub subjects: u32, // a type; of usersets a kind
    pub of_usersets: bool,
    pub is_wildcard: bool,
    pub caveat: u32, // the number of its name
    pub expires: bool,
    pub begins: bool,
}

#[derive(Default)]
pub struct Plan {
    pub slots: Vec<Slot>,
    pub nodes: Vec<Node>,
    pub operands: Vec<u32>,
    by_kind: Vec<u32>,
    kinds: Vec<Vec<u32>>, // by type
    targets: Vec<Vec<u32>>,
    target_words: Vec<u32>, // by table: the name it was made of, a word of the graph
    chains: Vec<Vec<Vec<u32>>>,
    chain_words: Vec<Vec<u32>>,        // by table: the relations it was made of
    is_defined: Vec<bool>,             // by type
    asking: HashMap<Alternative, u32>, // and what their documents may ask, by its number
    declared: Vec<Vec<Member>>,
}

impl Plan {
    /// Cost: O(schema). The words it needs become words of the graph.
    pub fn compile(definitions: &[Definition], graph: &mut Graph) -> Plan {
        Compiler::default().compile(definitions, graph)
    }

    /// The slot of a type's relation or permission, NONE where the schema has none.
    #[inline]
    pub fn slot_of_kind(&self, kind: u32) -> u32 {
        self.by_kind.get(kind as usize).copied().unwrap_or(NONE)
    }

    /// Whether a kind is a relation of the schema, and no permission.
    #[inline]
    pub fn is_relation(&self, kind: u32) -> bool {
        match self.slot_of_kind(kind) {
            NONE => false,
            slot => matches!(self.slots[slot as usize].body, Body::Relation),
        }
    }

    /// The slot of an arrow's name on a target's type, NONE where that type has no such name.
    #[inline]
    pub fn target(&self, targets: u32, type_: u32) -> u32 {
        self.targets[targets as usize].get(type_ as usize).copied().unwrap_or(NONE)
    }

    /// The slots of an arrow's name, whatever the target's type.
    pub fn targets_of(&self, targets: u32) -> impl Iterator<Item = u32> + '_ {
        self.targets[targets as usize].iter().copied().filter(|slot| *slot != NONE)
    }

    /// How many tables of targets there are.
    pub fn tables_len(&self) -> usize {
        self.targets.len()
    }

    /// The kinds of relations and permissions of a type, in the schema's order.
    pub fn kinds_of(&self, type_: u32) -> &[u32] {
        self.kinds.get(type_ as usize).map_or(&[], Vec::as_slice)
    }

    /// The child and the chain of an `along`.
    #[inline(always)]
    pub fn along(&self, slot: u32) -> (u32, u32) {
        let Body::Along { child, chain } = self.slots[slot as usize].body else {
            unreachable!("the slot of an `along` has an along's body")
        };
        (child, chain)
    }

    /// The kinds of relations that lead up the chain of a subject of that type.
    #[inline]
    pub fn chain(&self, chain: u32, type_: u32) -> &[u32] {
        self.chains[chain as usize].get(type_ as usize).map_or(&[], Vec::as_slice)
    }

    /// The name that a table of targets was made of, a word of the graph.
    pub fn target_word(&self, targets: u32) -> u32 {
        self.target_words[targets as usize]
    }

    /// The relations that a chain was made of, in the schema's order.
    pub fn chain_words(&self, chain: u32) -> &[u32] {
        &self.chain_words[chain as usize]
    }

    /// What documents of an alternative may ask, as a number: the same for all that may ask the same.
    pub fn asking(&self, alternative: &Alternative) -> u32 {
        self.asking.get(alternative).copied().unwrap_or(NONE)
    }

    /// The permissions of such a number.
    pub fn declared(&self, asking: u32) -> &[Member] {
        if asking == NONE { &[] } else { &self.declared[asking as usize] }
    }

    pub fn is_defined(&self, type_: u32) -> bool {
        self.is_defined.get(type_ as usize).copied().unwrap_or(false)
    }
}

/// A schema whose permissions lean on each other deeper than this just has none that are known to be for all.
const ROUNDS_MAX: usize = 64;

#[derive(Default)]
struct Compiler {
    plan: Plan,
    targets: HashMap<String, u32>,
    chains: HashMap<Vec<String>, u32>,
    alongs: HashMap<(u32, u32), u32>,
    asking_kinds: HashSet<u32>, // of relations with documents that may ask something
}

impl Compiler {
    fn compile(mut self, definitions: &[Definition], graph: &mut Graph) -> Plan {
        for definition in definitions {
            let type_ = graph.types.intern(&definition.name) as usize;
            if self.plan.is_defined.len() <= type_ {
                self.plan.is_defined.resize(type_ + 1, false);
                self.plan.kinds.resize(type_ + 1, Vec::new());
            }
            self.plan.is_defined[type_] = true;
            for name in definition.relations.iter().chain(definition.permissions.iter().map(|(name, _)| name)) {
                let kind = graph.kind(&definition.name, name);
                self.slot(kind, Body::Relation);
                self.plan.kinds[type_].push(kind);
            }
        }
        for definition in definitions {
            for (name, expression) in &definition.permissions {
                let slot = self.plan.slot_of_kind(graph.kind(&definition.name, name));
                let node = self.node(expression, definition, definitions, graph);
                self.plan.slots[slot as usize].body = Body::Permission { node };
            }
        }
        self.find_asking(definitions, graph);
        self.find_for_all();
        self.plan
    }

    fn find_asking(&mut self, definitions: &[Definition], graph: &mut Graph) {
        for definition in definitions {
            for asking in definition.asking.iter().filter(|asking| !asking.declared.is_empty()) {
                let type_ = graph.types.intern(&asking.subject_type);
                let of_usersets = !asking.subject_relation.is_empty();
                let subjects =
                    if of_usersets { graph.kind(&asking.subject_type, &asking.subject_relation) } else { type_ };
                let alternative = Alternative {
                    kind: graph.kind(&definition.name, &asking.relation),
                    subjects,
                    of_usersets,
                    is_wildcard: asking.is_wildcard,
                    caveat: graph.names.intern(&asking.caveat),
                    expires: asking.expires,
                    begins: asking.begins,
                };
                let declared = &mut self.plan.declared;
                let number = declared.iter().position(|each| *each == asking.declared).unwrap_or_else(|| {
                    declared.push(asking.declared.clone());
                    declared.len() - 1
                });
                self.plan.asking.insert(alternative, number as u32);
                self.asking_kinds.insert(alternative.kind);
            }
        }
    }

    /// Which permissions are the same for every plain subject: the largest set whose members speak of objects and of each
    /// other alone. Cost: O(schema) a round.
    fn find_for_all(&mut self) {
        let is_permission = |slot: &Slot| matches!(slot.body, Body::Permission { .. });
        let mut for_all: Vec<bool> = self.plan.slots.iter().map(is_permission).collect();
        for _ in 0..ROUNDS_MAX {
            let mut is_settled = true;
            for (number, slot) in self.plan.slots.iter().enumerate() {
                if let Body::Permission { node } = slot.body
                    && for_all[number]
                    && !self.is_for_all(node, &for_all)
                {
                    for_all[number] = false;
                    is_settled = false;
                }
            }
            if is_settled {
                for (slot, is_for_all) in self.plan.slots.iter_mut().zip(for_all) {
                    slot.is_for_all = is_for_all;
                }
                return;
            }
        }
    }

    fn is_for_all(&self, node: u32, for_all: &[bool]) -> bool {
        let is_slot = |slot: u32| slot == NONE || for_all[slot as usize];
        match self.plan.nodes[node as usize] {
            Node::Nil => true,
            // What a document asks, it asks about the subject.
            Node::Exists { kind } => !self.asking_kinds.contains(&kind),
            Node::Itself | Node::SubjectArrow { .. } => false,
            Node::Goal { slot } => is_slot(slot),
            Node::Union { from, to } | Node::Intersection { from, to } => {
                (from..to).all(|place| self.is_for_all(self.plan.operands[place as usize], for_all))
            }
            Node::Exclusion { base, subtracted } => {
                self.is_for_all(base, for_all) && self.is_for_all(subtracted, for_all)
            }
            Node::Arrow { kind, targets, .. } => {
                !self.asking_kinds.contains(&kind)
                    && self.plan.targets[targets as usize].iter().all(|slot| is_slot(*slot))
            }
        }
    }

    fn slot(&mut self, kind: u32, body: Body) -> u32 {
        let slot = self.plan.slots.len() as u32;
        self.plan.slots.push(Slot { kind, body, is_for_all: false });
        if kind != NONE {
            if self.plan.by_kind.len() <= kind as usize {
                self.plan.by_kind.resize(kind as usize + 1, NONE);
            }
            self.plan.by_kind[kind as usize] = slot;
        }
        slot
    }

    fn node(
        &mut self,
        expression: &Expression,
        definition: &Definition,
        definitions: &[Definition],
        graph: &mut Graph,
    ) -> u32 {
        let node = match expression {
            Expression::Nil => Node::Nil,
            Expression::Itself => Node::Itself,
            Expression::Name(name) => Node::Goal { slot: self.plan.slot_of_kind(graph.kind(&definition.name, name)) },
            Expression::Union(children) => {
                let (from, to) = self.operands(children, definition, definitions, graph);
                Node::Union { from, to }
            }
            Expression::Intersection(children) => {
                let (from, to) = self.operands(children, definition, definitions, graph);
                Node::Intersection { from, to }
            }
            Expression::Exclusion(base, subtracted) => Node::Exclusion {
                base: self.node(base, definition, definitions, graph),
                subtracted: self.node(subtracted, definition, definitions, graph),
            },
            Expression::Arrow { relation, name, every } => Node::Arrow {
                kind: graph.kind(&definition.name, relation),
                targets: self.table(name, definitions, graph),
                every: *every,
            },
            Expression::SubjectArrow(name) => Node::SubjectArrow { targets: self.table(name, definitions, graph) },
            Expression::Exists(relation) => Node::Exists { kind: graph.kind(&definition.name, relation) },
            Expression::Along { child, relations } => {
                let child = self.plan.slot_of_kind(graph.kind(&definition.name, child));
                let chain = self.chain(relations, definitions, graph);
                let slot = match self.alongs.get(&(child, chain)) {
                    Some(slot) => *slot,
                    None => {
                        let slot = self.slot(NONE, Body::Along { child, chain });
                        self.alongs.insert((child, chain), slot);
                        slot
                    }
                };
                Node::Goal { slot }
            }
        };
        self.plan.nodes.push(node);
        self.plan.nodes.len() as u32 - 1
    }

    /// The nodes of children, side by side.
    fn operands(
        &mut self,
        children: &[Expression],
        definition: &Definition,
        definitions: &[Definition],
        graph: &mut Graph,
    ) -> (u32, u32) {
        let nodes: Vec<u32> = children.iter().map(|child| self.node(child, definition, definitions, graph)).collect();
        let from = self.plan.operands.len() as u32;
        self.plan.operands.extend(nodes);
        (from, self.plan.operands.len() as u32)
    }

    /// The slots of a name on every type that has it.
    fn table(&mut self, name: &str, definitions: &[Definition], graph: &mut Graph) -> u32 {
        if let Some(table) = self.targets.get(name) {
            return *table;
        }
        let mut slots = vec![NONE; graph.types.len()];
        for definition in definitions {
            let type_ = graph.types.intern(&definition.name) as usize;
            if let Some(kind) = graph.find_kind(&definition.name, name) {
                slots[type_] = self.plan.slot_of_kind(kind);
            }
        }
        self.plan.targets.push(slots);
        self.plan.target_words.push(graph.names.intern(name));
        let table = self.plan.targets.len() as u32 - 1;
        self.targets.insert(name.to_owned(), table);
        table
    }

    fn chain(&mut self, relations: &[String], definitions: &[Definition], graph: &mut Graph) -> u32 {
        if let Some(chain) = self.chains.get(relations) {
            return *chain;
        }
        let mut kinds = vec![Vec::new(); graph.types.len()];
        for definition in definitions {
            let type_ = graph.types.intern(&definition.name) as usize;
            for relation in relations.iter().filter(|relation| definition.relations.contains(relation)) {
                kinds[type_].push(graph.kind(&definition.name, relation));
            }
        }
        self.plan.chains.push(kinds);
        self.plan.chain_words.push(relations.iter().map(|relation| graph.names.intern(relation)).collect());
        let chain = self.plan.chains.len() as u32 - 1;
        self.chains.insert(relations.to_vec(), chain);
        chain
    }
}
