//! What may happen next. One piece: each thing that may happen is a few lines, drawn from one table.

use super::*;

impl Scenario {
    pub(super) fn step(&mut self) {
        match self.draw(103) {
            0..25 => self.ask(),
            25..52 => self.answer(),
            52..60 => self.capture_or_cancel(),
            60..68 => self.refund(),
            68..82 => self.work(),
            82..90 => self.mandates(),
            90..95 => self.devices(),
            95..97 => self.lines(),
            100.. => self.rare_works(),
            _ => self.staff_works(),
        }
    }

    fn request(&mut self, payer: PayerRef) {
        let merchant = MerchantId(1 + u64::from(self.draw(3)));
        let merchant = match payer {
            PayerRef::Mandate(id) => self
                .state()
                .mandates
                .get(&id)
                .map(|mandate| mandate.merchant),
            PayerRef::Number(_) => Some(merchant),
        };
        let Some(merchant) = merchant else { return };
        let minor = match self.draw(12) {
            0 => 250_000,
            1 => 120_000,
            _ => 100 + i64::from(self.draw(40_000)),
        };
        let other = matches!(payer, PayerRef::Number(_)) && self.draw(3) == 0;
        let request = PaymentRequest {
            merchant,
            payer,
            amount: Amount::clamped(minor),
            whose: if other { Whose::Other } else { Whose::Own },
            capture: if self.draw(3) == 0 {
                CaptureMode::Manual
            } else {
                CaptureMode::Automatic
            },
            text: sealed(8),
            reference_hash: Some(self.next() % 50),
            expires_in_seconds: None,
            entropy: self.next(),
            repeat: self.repeat(),
        };
        self.decide(
            client(merchant),
            Command::Payment(PaymentCommand::Request(Box::new(request))),
        );
    }

    fn ask(&mut self) {
        let number = match self.draw(10) {
            0 => STRANGER,
            _ => NumberHash([1 + u8::try_from(self.draw(SUBSCRIBERS.into())).expect("few"); 16]),
        };
        self.request(PayerRef::Number(number));
    }

    /// Newer ones are drawn more often.
    fn a_payment(&mut self) -> Option<PaymentId> {
        let count = self.state().next_numbers()[0] - 1;
        let back = u64::from(self.draw(12)).min(count.checked_sub(1)?);
        Some(PaymentId(count - back))
    }

    fn answer(&mut self) {
        let waiting = self.state().payments.values();
        let waiting = waiting.filter(|payment| payment.status == Status::AwaitingApproval);
        let mut waiting: Vec<_> = waiting.map(|payment| payment.id).collect();
        waiting.sort_unstable();
        let drawn = match waiting.len() {
            0 => self.a_payment(),
            _ if self.draw(6) == 0 => self.a_payment(),
            some => waiting
                .get(self.draw(u32::try_from(some).expect("few")) as usize)
                .copied(),
        };
        let Some(id) = drawn else { return };
        let found = self
            .state()
            .payments
            .get(&id)
            .and_then(|payment| Some((payment.payer?, payment.codes?)));
        let Some((payer, codes)) = found else { return };
        let Some(device) = self.device_of(payer) else {
            return;
        };
        let command = match self.draw(20) {
            0 => PaymentCommand::Refuse {
                device,
                id,
                report: self.draw(3) == 0,
            },
            drawn => PaymentCommand::Approve(Box::new(PaymentApproval {
                device,
                id,
                pin: if drawn == 1 {
                    PinValue([255; 32])
                } else {
                    pin(payer)
                },
                code: if drawn == 2 { 0 } else { codes.shown() },
                check: match drawn {
                    3 => SignatureCheck::BadSignature,
                    4 => SignatureCheck::FactsDiffer,
                    _ => SignatureCheck::Valid,
                },
                evidence: evidence(),
            })),
        };
        self.decide(Actor::Device(device), Command::Payment(command));
    }

    fn capture_or_cancel(&mut self) {
        let authorized = self.state().payments.values();
        let mut authorized: Vec<_> = authorized
            .filter(|payment| payment.status == Status::Authorized)
            .map(|payment| (payment.id, payment.merchant, payment.amount))
            .collect();
        authorized.sort_unstable();
        let drawn = match authorized.first() {
            Some(drawn) if self.draw(4) > 0 => Some(*drawn),
            _ => self.a_payment().and_then(|id| {
                let payment = self.state().payments.get(&id)?;
                Some((id, payment.merchant, payment.amount))
            }),
        };
        let Some((id, merchant, amount)) = drawn else {
            return;
        };
        let repeat = self.repeat();
        let command = if self.draw(3) == 0 {
            PaymentCommand::Cancel {
                merchant,
                id,
                repeat,
            }
        } else {
            let part = Amount::clamped(1 + i64::from(self.draw(1_000)) * amount.minor() / 1_000);
            PaymentCommand::Capture {
                merchant,
                id,
                amount: (self.draw(2) == 0).then_some(part),
                repeat,
            }
        };
        self.decide(client(merchant), Command::Payment(command));
    }

    fn refund(&mut self) {
        let Some(id) = self.a_payment() else { return };
        let found = self.state().payments.get(&id);
        let Some((merchant, captured)) = found.map(|payment| (payment.merchant, payment.captured))
        else {
            return;
        };
        let part = Amount::clamped(1 + captured.minor() / 3);
        let command = PaymentCommand::Refund {
            merchant,
            id,
            amount: (self.draw(3) > 0).then_some(part),
            text: sealed(9),
            repeat: self.repeat(),
        };
        self.decide(client(merchant), Command::Payment(command));
    }

    /// The worker and the bank.
    fn work(&mut self) {
        let mut open: Vec<_> = self
            .state()
            .effects
            .values()
            .map(|effect| effect.id)
            .collect();
        open.sort_unstable();
        let Some(id) = open.first().copied() else {
            return;
        };
        let id = if self.draw(4) == 0 {
            EffectId(open[open.len() - 1].0)
        } else {
            id
        };
        if self
            .state()
            .effects
            .get(&id)
            .is_some_and(|effect| effect.state == EffectState::Stuck)
        {
            let operation = if self.draw(2) == 0 {
                Operation::RepeatEffect(id)
            } else {
                Operation::PayEffectToBalance(id)
            };
            self.operate(1, operation);
            return;
        }
        self.decide(
            Actor::Connector,
            Command::Effect(EffectCommand::Attempt { id }),
        );
        self.seal();
        let outcome = match self.draw(8) {
            0 | 2 => EffectOutcome::Refused,
            1 => EffectOutcome::Unknown,
            _ => EffectOutcome::Done,
        };
        // The bank answers late now and then.
        if self.draw(6) == 0 {
            self.pass(200 * SECOND);
        }
        self.decide(
            Actor::Connector,
            Command::Effect(EffectCommand::Result { id, outcome }),
        );
    }

    fn mandates(&mut self) {
        let count = self.state().next_numbers()[2] - 1;
        if count == 0 || self.draw(4) == 0 {
            let merchant = MerchantId(1 + u64::from(self.draw(3)));
            let subscriber = 1 + u8::try_from(self.draw(SUBSCRIBERS.into())).expect("few");
            let request = MandateRequest {
                merchant,
                number: NumberHash([subscriber; 16]),
                terms: Terms {
                    payment_limit: yuan(300),
                    monthly_limit: yuan(1_000),
                    ends_on: BusinessDate(21_000),
                },
                text: sealed(10),
                entropy: self.next(),
                repeat: self.repeat(),
            };
            self.decide(
                client(merchant),
                Command::Mandate(MandateCommand::Request(Box::new(request))),
            );
            return;
        }
        let standing = self.state().mandates.values();
        let standing = standing.filter(|mandate| mandate.status.is_standing());
        let mut standing: Vec<_> = standing.map(|mandate| mandate.id).collect();
        standing.sort_unstable();
        let id = match standing.len() {
            some if some > 0 && self.draw(8) > 0 => {
                standing[self.draw(u32::try_from(some).expect("few")) as usize]
            }
            _ => MandateId(1 + self.next() % count),
        };
        let found = self.state().mandates.get(&id);
        let Some((merchant, payer, status, codes)) = found.map(|mandate| {
            (
                mandate.merchant,
                mandate.payer,
                mandate.status,
                mandate.codes,
            )
        }) else {
            return;
        };
        let device = payer.and_then(|payer| self.device_of(payer));
        let command = match (status, device, payer) {
            (MandateStatus::AwaitingApproval, Some(device), Some(payer)) => match self.draw(6) {
                0 => MandateCommand::Refuse {
                    device,
                    id,
                    report: false,
                },
                drawn => MandateCommand::Approve(Box::new(MandateApproval {
                    device,
                    id,
                    pin: pin(payer),
                    code: if drawn == 1 { 0 } else { codes.shown() },
                    check: SignatureCheck::Valid,
                    evidence: evidence(),
                })),
            },
            (MandateStatus::Suspended, Some(device), Some(payer)) => MandateCommand::Resume {
                device,
                id,
                pin: pin(payer),
            },
            (MandateStatus::Active, Some(device), _) if self.draw(12) == 0 => {
                MandateCommand::Revoke { device, id }
            }
            _ if self.draw(20) == 0 => MandateCommand::End {
                merchant,
                id,
                repeat: self.repeat(),
            },
            _ => {
                self.request(PayerRef::Mandate(id));
                return;
            }
        };
        let actor = device.map_or(client(merchant), Actor::Device);
        self.decide(actor, Command::Mandate(command));
    }

    fn devices(&mut self) {
        let number = 1 + u8::try_from(self.draw(u32::from(SUBSCRIBERS) - 1)).expect("few");
        let holder = self
            .state()
            .holder(&NumberHash([number; 16]))
            .map(|holder| holder.id);
        if holder.is_some_and(|holder| self.device_of(holder).is_none()) {
            self.enrol(number, false);
            return;
        }
        match self.draw(4) {
            0 => {
                let recovery = self.draw(2) == 0;
                self.enrol(number, recovery);
            }
            1 => self.unblock(SubscriberId(number.into())),
            _ => {
                let mut waiting: Vec<_> = self
                    .state()
                    .devices
                    .values()
                    .filter(|device| device.status == DeviceStatus::AwaitingApproval)
                    .map(|device| (device.id, device.subscriber))
                    .collect();
                waiting.sort_unstable();
                let Some((target, owner)) = waiting.first().copied() else {
                    return;
                };
                let Some(by) = self.device_of(owner) else {
                    return;
                };
                let command = if self.draw(2) == 0 {
                    DeviceCommand::Stop { by, target }
                } else {
                    DeviceCommand::Approve {
                        by,
                        target,
                        pin: pin(owner),
                        check: SignatureCheck::Valid,
                        evidence: evidence(),
                    }
                };
                self.decide(Actor::Device(by), Command::Device(command));
            }
        }
    }

    /// A payer forgives a merchant.
    fn unblock(&mut self, subscriber: SubscriberId) {
        let blocked = self.state().subscribers.get(subscriber);
        let blocked = blocked.and_then(|payer| payer.blocked_merchants.first().copied());
        if let (Some(merchant), Some(device)) = (blocked, self.device_of(subscriber)) {
            let command = PhoneCommand::UnblockMerchant { device, merchant };
            self.decide(Actor::Device(device), Command::Phone(command));
        }
    }

    fn lines(&mut self) {
        let number = 1 + u8::try_from(self.draw(SUBSCRIBERS.into())).expect("few");
        let mut hash = NumberHash([number; 16]);
        let moved = NumberHash([number + 100; 16]);
        if self.state().holder(&moved).is_some() {
            hash = moved;
        }
        let Some((subject, mut line)) = self
            .state()
            .holder(&hash)
            .map(|holder| (holder.subject, holder.line()))
        else {
            return;
        };
        let recycled = self.draw(10) == 0;
        let mut row = self.line(number, recycled);
        if hash == moved {
            row.recycled = false;
            row.renumbered_from = Some(moved);
        }
        if !row.recycled {
            line.as_of = self.now;
            if self.draw(4) == 0 {
                line.sim_changed = Some(self.now.plus(-60 * HOUR));
            }
            row.line = line;
            row.subject = subject;
            // To a number that is nobody's, and back with the next row of this kind.
            if hash != moved && self.draw(6) == 0 {
                row.renumbered_from = Some(hash);
                row.number = NumberHash([number + 100; 16]);
            }
        }
        self.decide(Actor::Operator(OperatorId(1)), Command::Line(Box::new(row)));
    }

    fn staff_works(&mut self) {
        let subscriber = SubscriberId(1 + u64::from(self.draw(SUBSCRIBERS.into())));
        let merchant = MerchantId(1 + u64::from(self.draw(3)));
        let operation = match self.draw(18) {
            0 => Operation::BlockSubscriber(subscriber),
            1 | 2 => Operation::UnblockSubscriber(subscriber),
            3 if self.draw(3) == 0 => Operation::BlockMerchant(merchant),
            3..=5 => Operation::UnblockMerchant(merchant),
            6 | 7 => Operation::Adjust {
                subscriber,
                minor: i64::from(self.draw(20_000)) - 10_000,
                reason: sealed(11),
            },
            8 => Operation::UnlockPin(subscriber),
            9 => Operation::ResetPhone(subscriber),
            10 if self.draw(4) == 0 => Operation::EraseSubscriber(subscriber),
            11 => Operation::SetPlan {
                merchant,
                plan: PricePlan {
                    version: 0,
                    fee_basis_points: self.draw(100),
                    fee_fixed: Amount::clamped(i64::from(self.draw(30))),
                    tax_basis_points: 600,
                },
            },
            12 => Operation::SetMerchantLimits {
                merchant,
                limits: MerchantLimits {
                    payment: yuan(1_000 + i64::from(self.draw(2_000))),
                    daily: yuan(1_000_000),
                },
            },
            13 => {
                self.client_works(merchant);
                return;
            }
            14 => {
                self.operate(
                    1,
                    Operation::AddOperator {
                        name: format!("operator {}", self.keys),
                        role: Role::Risk,
                        password: sealed(1),
                    },
                );
                Operation::RemoveOperator(OperatorId(self.state().operators.by_id.len() as u64))
            }
            _ => {
                let note = OperatorCommand::NoteRead { subscriber };
                self.decide(Actor::Operator(OperatorId(2)), Command::Operator(note));
                return;
            }
        };
        self.operate(1, operation);
    }

    /// What belongs to no payment and happens seldom.
    fn rare_works(&mut self) {
        match self.draw(5) {
            0 => self.sign_out(),
            1 => self.close_day(),
            2 => self.operate(
                1,
                Operation::SetPassword {
                    operator: OperatorId(2),
                    password: sealed(15),
                },
            ),
            3 => self.blocked_before_answer(),
            _ => self.blocked_before_signing(),
        }
    }

    fn sign_out(&mut self) {
        let subscriber = SubscriberId(1 + u64::from(self.draw(SUBSCRIBERS.into())));
        let Some(device) = self.device_of(subscriber) else {
            return;
        };
        self.keys += 1;
        let mut session = [0; 16];
        session[..8].copy_from_slice(&self.keys.to_be_bytes());
        let end = Command::EndSession {
            session: SessionId(session),
            until: self.now.plus(HOUR),
        };
        self.decide(Actor::Device(device), end);
    }

    /// Seals yesterday, chained to what was sealed before. Nobody signed it: `verify` would find that out.
    fn close_day(&mut self) {
        if !self.seals_days {
            return;
        }
        let last = self.state().sealed_days.last();
        let previous = last.map_or(DayHash([0; 32]), |last| last.head);
        let row = self.rows.len() as u64;
        let date = BusinessDate(i32::try_from(self.now.0 / DAY).expect("a date") - 1);
        let hash = |what: u8| {
            let mut hash = [what; 32];
            hash[..8].copy_from_slice(&row.to_be_bytes());
            DayHash(hash)
        };
        let day = SealedDay {
            date,
            entries: row,
            root: hash(16),
            previous,
            head: hash(17),
            row,
            key: DayKey([18; 32]),
            signature: Signature([19; 64]),
        };
        self.decide(Actor::System, Command::SealDay(Box::new(day)));
    }

    /// A payer is blocked between the prompt and the approval, and unblocked again.
    fn blocked_before_answer(&mut self) {
        let waiting = self.state().payments.values();
        let waiting = waiting
            .filter(|payment| payment.status == Status::AwaitingApproval && payment.veto.is_none());
        let known = waiting.filter_map(|payment| {
            let payer = payment.payer?;
            Some((payment.id, payer, payment.codes?, self.device_of(payer)?))
        });
        let Some((id, payer, codes, device)) = known.min_by_key(|(id, ..)| *id) else {
            return;
        };
        self.operate(1, Operation::BlockSubscriber(payer));
        let approval = PaymentApproval {
            device,
            id,
            pin: pin(payer),
            code: codes.shown(),
            check: SignatureCheck::Valid,
            evidence: evidence(),
        };
        self.decide(
            Actor::Device(device),
            Command::Payment(PaymentCommand::Approve(Box::new(approval))),
        );
        self.operate(1, Operation::UnblockSubscriber(payer));
    }

    /// The same between a mandate's prompt and its signing.
    fn blocked_before_signing(&mut self) {
        let waiting = self.state().mandates.values();
        let waiting = waiting.filter(|mandate| {
            mandate.status == MandateStatus::AwaitingApproval && mandate.veto.is_none()
        });
        let known = waiting.filter_map(|mandate| {
            let payer = mandate.payer?;
            Some((mandate.id, payer, mandate.codes, self.device_of(payer)?))
        });
        let Some((id, payer, codes, device)) = known.min_by_key(|(id, ..)| *id) else {
            return;
        };
        self.operate(1, Operation::BlockSubscriber(payer));
        let approval = MandateApproval {
            device,
            id,
            pin: pin(payer),
            code: codes.shown(),
            check: SignatureCheck::Valid,
            evidence: evidence(),
        };
        self.decide(
            Actor::Device(device),
            Command::Mandate(MandateCommand::Approve(Box::new(approval))),
        );
        self.operate(1, Operation::UnblockSubscriber(payer));
    }

    /// A merchant's developer changes keys and endpoints.
    fn client_works(&mut self, merchant: MerchantId) {
        let found = self.state().merchants.get(merchant);
        let endpoint = found.and_then(|merchant| merchant.endpoints.last().map(|known| known.id));
        let Some(endpoint) = endpoint else { return };
        let (url, secret) = (sealed(3), sealed(4));
        for command in [
            ClientCommand::RotateSecret {
                merchant,
                endpoint,
                secret: secret.clone(),
            },
            ClientCommand::AddEndpoint {
                merchant,
                url,
                secret,
            },
            ClientCommand::RemoveEndpoint { merchant, endpoint },
        ] {
            self.decide(client(merchant), Command::Client(command));
        }
        self.keys += 1;
        let mut hash = [99; 32];
        hash[..8].copy_from_slice(&self.keys.to_be_bytes());
        let key = ClientKeyId(self.state().next_numbers()[6]);
        self.operate(
            1,
            Operation::AddClientKey {
                merchant,
                hash: ClientKeyHash(hash),
                label: "spare".to_owned(),
            },
        );
        self.operate(1, Operation::RevokeClientKey { merchant, key });
    }
}
