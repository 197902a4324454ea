# Records what R's psychotools and BradleyTerry2 give for the votes of topic T31 of UKPConvArg1.
# Run in this folder: Rscript record.R (Debian: r-cran-psychotools, r-cran-bradleyterry2)
suppressMessages({library(psychotools); library(BradleyTerry2)})
votes <- read.csv("../ukpconvarg1/votes.csv", stringsAsFactors = FALSE)
votes <- votes[votes$topic == "T31", ]
items <- sort(unique(c(votes$left, votes$right)))

# Davidson's model: every vote is a subject who saw one pair.
pairs <- which(upper.tri(diag(length(items))), arr.ind = TRUE)
pairs <- pairs[order(pairs[, "row"], pairs[, "col"]), ]  # psychotools' order is given explicitly by `labels` and checked below
i <- match(votes$left, items); j <- match(votes$right, items)
sign <- ifelse(votes$vote == "left", 1, ifelse(votes$vote == "right", -1, 0))
turn <- i > j
low <- pmin(i, j); high <- pmax(i, j)
column <- (high - 1) * (high - 2) / 2 + low      # column order of paircomp: 1:2, 1:3, 2:3, 1:4, ...
seen <- matrix(NA, nrow(votes), length(items) * (length(items) - 1) / 2)
seen[cbind(seq_len(nrow(votes)), column)] <- ifelse(turn, -sign, sign)
model <- btmodel(paircomp(seen, labels = items), type = "loglin", undecided = TRUE, ref = NULL, estfun = FALSE)
print(coef(model)[1:3])
write.csv(data.frame(parameter = names(coef(model)), value = sprintf("%.12f", coef(model)), se = sprintf("%.12f", sqrt(diag(vcov(model))))),
          "davidson.csv", row.names = FALSE, quote = FALSE)

# Order effect: decided votes only.
decided <- votes[votes$vote != "tie", ]
left <- data.frame(essay = factor(decided$left, levels = items), first = 1)
right <- data.frame(essay = factor(decided$right, levels = items), first = 0)
ordered <- BTm(as.integer(decided$vote == "left"), left, right, formula = ~ essay + first, id = "essay")
plain <- BTm(as.integer(decided$vote == "left"), left, right, formula = ~ essay, id = "essay")
write.csv(rbind(
    data.frame(model = "order", parameter = names(coef(ordered)), value = sprintf("%.12f", coef(ordered)), se = sprintf("%.12f", sqrt(diag(vcov(ordered))))),
    data.frame(model = "plain", parameter = names(coef(plain)), value = sprintf("%.12f", coef(plain)), se = sprintf("%.12f", sqrt(diag(vcov(plain)))))),
    "order.csv", row.names = FALSE, quote = FALSE)
cat(sprintf("R %s, psychotools %s, BradleyTerry2 %s, %s; log-likelihoods: davidson %.9f, order %.9f, plain %.9f\n",
    getRversion(), packageVersion("psychotools"), packageVersion("BradleyTerry2"), Sys.Date(),
    as.numeric(logLik(model)), as.numeric(logLik(ordered)), as.numeric(logLik(plain))), file = "versions.txt")
